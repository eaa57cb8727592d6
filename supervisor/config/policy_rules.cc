#include <fmt/format.h>

#include <string>
#include <utility>

#include "config/quantity.h"
#include "config/rules.h"

namespace oxherd {

namespace {

constexpr std::uint16_t kReadByGroup = 0640;

void FinishOneshot(Draft& draft, const RuleContext& context) {
  Policy& policy = draft.spec.policy;
  if (draft.HasOwn("restart") && policy.restart != RestartPolicy::kNo) {
    context.errors.Add(draft.PositionOf("restart"), draft.PathOf("restart"),
                       "a oneshot is not restarted; remove this, or type = \"oneshot\"");
  }
  policy.restart = RestartPolicy::kNo;
  const Mark* timeout = draft.Find("ready_timeout_ms");
  if (timeout == nullptr || timeout->layer == Layer::kInherited) policy.ready_timeout.reset();
}

void FinishReload(Draft& draft, const RuleContext& context) {
  Policy& policy = draft.spec.policy;
  if (draft.spec.port_base) {
    if (draft.HasOwn("reload_strategy") && policy.reload_strategy == ReloadStrategy::kStartFirst) {
      context.errors.Add(draft.PositionOf("reload_strategy"), draft.PathOf("reload_strategy"),
                         "with port_base the old instance must free its port before the new one "
                         "starts; write \"stop-first\", or remove one of the two");
    }
    policy.reload_strategy = ReloadStrategy::kStopFirst;
    const int last = *draft.spec.port_base + policy.instances - 1;
    if (last > 65535) {
      context.errors.Add(draft.PositionOf("port_base"), draft.PathOf("port_base"),
                         fmt::format("{} instances would need ports up to {}; at most 65535",
                                     policy.instances, last));
    }
  }
  if (policy.reload_parallel <= policy.instances) return;
  // A number for all services, or for all machines, cannot fit each of them.
  if (draft.HasOwn("reload_parallel") && !draft.instances_by_cpus) {
    context.errors.Add(draft.PositionOf("reload_parallel"), draft.PathOf("reload_parallel"),
                       fmt::format("{} at a time, but there {} only {}; write 1 to {}, or raise "
                                   "instances",
                                   policy.reload_parallel, policy.instances == 1 ? "is" : "are",
                                   policy.instances, policy.instances));
  }
  policy.reload_parallel = policy.instances;
}

void FinishDelays(Draft& draft, const RuleContext& context) {
  Policy& policy = draft.spec.policy;
  if (policy.restart_delay <= policy.restart_delay_max) return;
  const bool own_delay = draft.HasOwn("restart_delay_ms") || !draft.HasOwn("restart_delay_max_ms");
  const char* key = own_delay ? "restart_delay_ms" : "restart_delay_max_ms";
  context.errors.Add(
      draft.PositionOf(key), draft.PathOf(key),
      fmt::format("restart_delay_ms ({}) is more than restart_delay_max_ms ({})",
                  FormatDuration(policy.restart_delay), FormatDuration(policy.restart_delay_max)));
}

// A file that the service itself names is where its output goes, whatever all the others do.
void FinishLogs(Draft& draft, const RuleContext& context) {
  LogSpec& logs = draft.spec.logs;
  if (!logs.group.empty() && draft.Find("logs.mode") == nullptr) logs.mode = kReadByGroup;
  if (logs.to == LogTo::kFile) return;
  for (const char* key : {"log_file", "error_log_file"}) {
    if (!draft.HasOwn(key)) continue;
    if (draft.HasOwn("log_to")) {
      context.errors.Add(draft.PositionOf(key), draft.PathOf(key),
                         "a file is named, and log_to says that output goes elsewhere; keep one");
    } else {
      logs.to = LogTo::kFile;
    }
  }
}

void CheckWebhook(Draft& draft, const RuleContext& context) {
  const Webhook& webhook = draft.spec.webhook;
  const Mark* const mark = draft.Find("webhook");
  if (!webhook.enabled || mark == nullptr) return;
  const auto add = [&](std::string message) {
    context.errors.Add(mark->position, draft.PathOf("webhook"), std::move(message));
  };
  if (webhook.secret.empty()) {
    add("without a secret it would obey anybody; add secret = \"${WEBHOOK_SECRET}\" and that to "
        "env_file");
  }
  if (webhook.on_push.empty()) {
    add(fmt::format("has nothing to do; add on_push = [\"git pull\", \"oxherd reload {}\"]",
                    draft.spec.name));
  }
}

}  // namespace

void FinishPolicy(Draft& draft, const RuleContext& context) {
  Spec& spec = draft.spec;
  Policy& policy = spec.policy;
  if (draft.Find("command") == nullptr) {
    context.errors.Add(draft.position, draft.table, "no command; add command = \"what to run\"");
  }
  if (policy.type == ServiceType::kOneshot) FinishOneshot(draft, context);
  FinishReload(draft, context);
  FinishDelays(draft, context);
  FinishLogs(draft, context);
  if (draft.Find("no_new_privs") == nullptr) spec.no_new_privs = !spec.run_as.user.empty();
  policy.has_pre_reload = !spec.pre_reload_cmd.empty();
  CheckWebhook(draft, context);
  policy.has_pre_stop = !spec.pre_stop_cmd.empty();
  policy.has_post_stop = !spec.post_stop_cmd.empty();
  for (const DependencySetting& setting : draft.depends_on) {
    policy.depends_on.push_back(setting.dependency);
  }
  if (context.files.is_directory && !context.files.is_directory(spec.working_dir)) {
    const char* key = "working_dir";
    context.errors.Note(draft.PositionOf(key), draft.PathOf(key),
                        fmt::format("\"{}\" is no directory yet; {} cannot start before it is",
                                    spec.working_dir, spec.name));
  }
}

Spec FinishService(Draft& draft, const RuleContext& context) {
  FinishPolicy(draft, context);
  FinishTimes(draft, context);
  FinishWatch(draft, context);
  FinishEnvironment(draft, context);
  FinishListen(draft, context);
  FinishHealth(draft, context);
  return draft.spec;
}

}  // namespace oxherd
