#include <nlohmann/json.hpp>

#include "base/signals.h"
#include "control/wire.h"
#include "control/words.h"

namespace oxherd::control {
namespace {

// People read `--json` too: fields in the order in which they are written here.
using Json = nlohmann::ordered_json;

std::string Line(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

// Fields that say nothing are left out, where cli.md does not show them.
void PutText(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}
void PutFlag(Json& object, const char* key, bool flag) {
  if (flag) object[key] = true;
}
void PutList(Json& object, const char* key, const std::vector<std::string>& list) {
  if (!list.empty()) object[key] = list;
}
template <typename Value>
Json OrNull(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}
Json TimeOrNull(std::optional<std::int64_t> unix_ms) {
  return unix_ms ? Json(TimeText(*unix_ms)) : Json();
}

template <typename Item, typename Encoder>
Json Each(const std::vector<Item>& items, Encoder encode) {
  Json array = Json::array();
  for (const Item& item : items) array.push_back(encode(item));
  return array;
}

Json EncodeExit(const std::optional<ExitStatus>& status) {
  if (!status) return {};
  Json object = Json::object();
  switch (status->kind) {
    case ExitStatus::Kind::kCode:
      object["code"] = status->number;
      break;
    case ExitStatus::Kind::kSignal:
      object["signal"] = SignalName(status->number);
      object["number"] = status->number;
      PutFlag(object, "out_of_memory", status->out_of_memory);
      break;
    case ExitStatus::Kind::kUnknown:
      object["unknown"] = true;
      break;
  }
  return object;
}

Json EncodeHealth(const std::optional<Health>& health) {
  if (!health) return {};
  Json object = Json::object();
  switch (health->kind) {
    case Health::Kind::kUnknown:
      object["ok"] = nullptr;
      break;
    case Health::Kind::kGood:
      object["ok"] = true;
      break;
    case Health::Kind::kBad:
      object["ok"] = false;
      break;
  }
  object["ms"] = OrNull(health->ms);
  PutText(object, "text", health->text);
  return object;
}

Json EncodeRow(const Row& row) {
  Json object = {{"id", row.id},
                 {"name", row.name()},
                 {"service", row.service},
                 {"instance", row.slot},
                 {"state", row.state},
                 {"since", TimeText(row.since_unix_ms)},
                 {"wanted", row.wanted},
                 {"pid", row.pid.is_set() ? Json(row.pid.number()) : Json()},
                 {"generation", row.generation.number()},
                 {"uptime_ms", OrNull(row.uptime_ms)},
                 {"restarts", row.restarts},
                 {"crashes", row.crashes},
                 {"crash_span_ms", row.crash_span_ms},
                 {"last_exit", EncodeExit(row.last_exit)},
                 {"next_try", TimeOrNull(row.next_try_unix_ms)},
                 {"next_run", TimeOrNull(row.next_run_unix_ms)},
                 {"cpu_percent", OrNull(row.cpu_percent)},
                 {"memory_bytes", OrNull(row.memory_bytes)},
                 {"health", EncodeHealth(row.health)},
                 {"listen", row.listen}};
  PutText(object, "namespace", row.name_space);
  PutFlag(object, "taken_out", row.taken_out);
  PutText(object, "says", row.says);
  PutText(object, "reason", row.reason);
  PutText(object, "remark", row.remark);
  PutList(object, "waits_for", row.waits_for);
  if (row.replaced_unix_ms) {
    object["replaced"] = {{"time", TimeText(*row.replaced_unix_ms)},
                          {"because", row.replaced_because}};
  }
  if (row.next_generation) {
    object["replacement"] = {{"generation", row.next_generation->number()},
                             {"state", row.next_state}};
  }
  PutText(object, "out_log", row.out_log);
  PutText(object, "err_log", row.err_log);
  return object;
}

Json EncodeService(const ServiceResult& service) {
  Json object = {{"name", service.name},
                 {"result", OutcomeName(service.outcome)},
                 {"generation", service.generation.number()}};
  PutText(object, "instance", service.instance);
  if (service.tried.is_set()) object["tried"] = service.tried.number();
  object["instances"] = service.instances;
  object["ms"] = service.ms;
  if (service.gap_ms) object["gap_ms"] = *service.gap_ms;
  PutText(object, "reason", service.reason);
  PutText(object, "failed_instance", service.failed_instance);
  PutList(object, "log_tail", service.log_tail);
  PutList(object, "notes", service.notes);
  return object;
}

Json EncodeStep(const PlanStep& step) {
  Json object = {
      {"name", step.service}, {"step", StepName(step.kind)}, {"instances", step.instances}};
  PutList(object, "differences", step.differences);
  return object;
}

Json EncodePool(const PoolRow& pool) {
  Json object = {{"address", pool.address}};
  PutText(object, "not_steered", pool.steering);
  object["sockets"] = Each(pool.sockets, [](const PoolRow::Socket& socket) {
    Json one = {{"number", socket.number},
                {"holder", socket.holder.empty() ? Json() : Json(socket.holder)},
                {"in_traffic", socket.in_traffic},
                {"waiting", socket.waiting}};
    PutFlag(one, "down", socket.is_down);
    return one;
  });
  return object;
}

Json EncodeDetail(const ServiceDetail& detail) {
  Json object = {{"name", detail.name},
                 {"type", detail.type},
                 {"wanted", detail.wanted},
                 {"ready", detail.ready},
                 {"generation", detail.generation.number()},
                 {"running_since", TimeOrNull(detail.running_since_unix_ms)},
                 {"reloading", detail.reloading},
                 {"last_reload", nullptr},
                 {"differences", detail.differences}};
  PutText(object, "namespace", detail.name_space);
  if (const auto& reload = detail.last_reload) {
    object["last_reload"] = {{"generation", reload->target.number()},
                             {"ok", reload->succeeded},
                             {"ended", TimeText(reload->ended_unix_ms)}};
    PutText(object["last_reload"], "reason", reload->reason);
  }
  PutText(object, "file_problem", detail.file_problem);
  object["command"] = detail.command;
  object["folder"] = detail.folder;
  object["oxfile"] = detail.oxfile;
  object["line"] = detail.line;
  object["env_files"] = detail.env_files;
  object["depends_on"] = detail.depends_on;
  object["ready_by"] = detail.ready_by;
  object["restart"] = detail.restart;
  object["stop"] = detail.stop;
  PutText(object, "limits", detail.limits);
  if (!detail.pools.empty()) {
    object["sockets"] = Each(detail.pools, EncodePool);
    object["swept"] = detail.swept;
  }
  object["instances"] = Each(detail.instances, EncodeRow);
  object["events"] = Each(detail.events, [](const Happening& happening) {
    return Json{{"time", TimeText(happening.unix_ms)}, {"text", happening.text}};
  });
  return object;
}

Json EncodeEnvironment(const ServiceEnvironment& environment) {
  Json object = {{"service", environment.service}, {"folder", environment.folder}};
  if (const auto& run_as = environment.run_as) {
    object["run_as"] = {{"user", run_as->user},
                        {"group", run_as->group},
                        {"uid", run_as->uid},
                        {"gid", run_as->gid},
                        {"groups", run_as->groups}};
  }
  object["variables"] =
      Each(environment.variables, [](const ServiceEnvironment::Variable& variable) {
        return Json{{"name", variable.name},
                    {"value", variable.hidden ? Json() : Json(variable.value)}};
      });
  return object;
}

Json EncodeDaemon(const DaemonDetail& daemon) {
  Json object = {{"pid", daemon.pid.number()},          {"keeper_pid", daemon.keeper_pid.number()},
                 {"version", daemon.version},           {"socket", daemon.socket},
                 {"state_folder", daemon.state_folder}, {"log_folder", daemon.log_folder}};
  PutText(object, "daemon_log", daemon.daemon_log);
  object["uptime_ms"] = daemon.uptime_ms;
  object["started"] = TimeText(daemon.started_unix_ms);
  object["daemon_number"] = daemon.daemon_number;
  object["services"] = daemon.services;
  object["instances"] = daemon.instances;
  object["ready"] = daemon.ready;
  PutList(object, "warnings", daemon.warnings);
  return object;
}

// The parts that a command answers with are there even when they are empty.
void PutAnswer(Json& object, const Reply& reply) {
  const bool rows = reply.command == Command::kList || reply.command == Command::kLogs;
  if (IsTracked(reply.command) || !reply.services.empty()) {
    object["services"] = Each(reply.services, EncodeService);
  }
  if (!reply.plan.empty()) object["plan"] = Each(reply.plan, EncodeStep);
  if (rows || !reply.instances.empty()) object["instances"] = Each(reply.instances, EncodeRow);
  if (reply.command == Command::kStatus) object["details"] = Each(reply.details, EncodeDetail);
  if (!reply.environments.empty()) {
    object["environments"] = Each(reply.environments, EncodeEnvironment);
  }
  if (reply.daemon) object["daemon"] = EncodeDaemon(*reply.daemon);
  PutList(object, "notes", reply.notes);
}

Json EncodeReply(const Reply& reply) {
  Json object = {{"v", kWireVersion}, {"command", Name(reply.command)}, {"ok", reply.ok()}};
  if (!reply.ok()) {
    object["error"] = {{"code", static_cast<int>(reply.code)}, {"message", reply.error}};
    PutList(object["error"], "details", reply.errors);
  }
  PutText(object, "version", reply.daemon_version);
  object["ms"] = reply.ms;
  PutAnswer(object, reply);
  return object;
}

Json EncodeAccepted(const Accepted& accepted) {
  return {{"v", kWireVersion},
          {"accepted", IdText(accepted.id)},
          {"oxfiles", accepted.oxfiles},
          {"notes", accepted.notes}};
}

Json EncodeProgress(const Progress& progress) {
  Json inner = {{"service", progress.service},
                {"instance", OrNull(progress.slot)},
                {"kind", progress.kind ? KindName(*progress.kind) : "unknown"},
                {"generation", progress.generation.number()},
                {"text", progress.text},
                {"ms", progress.ms}};
  PutText(inner, "detail", progress.detail);
  PutFlag(inner, "failed", progress.failed);
  return {{"v", kWireVersion}, {"progress", std::move(inner)}};
}

Json EncodeRequest(const Request& request) {
  Json object = {{"v", kWireVersion},
                 {"id", IdText(request.id)},
                 {"command", Name(request.command)},
                 {"client", request.client_version},
                 {"names", request.names},
                 {"folder", request.folder}};
  PutText(object, "oxfile", request.oxfile);
  PutFlag(object, "oxfile_named", request.oxfile_named);
  PutList(object, "more_oxfiles", request.more_oxfiles);
  if (request.profile) object["profile"] = *request.profile;
  if (!request.environment.empty()) {
    Json& environment = object["environment"] = Json::object();
    for (const auto& [name, value] : request.environment) environment[name] = value;
  }
  PutFlag(object, "no_wait", request.no_wait);
  PutFlag(object, "dry_run", request.dry_run);
  PutFlag(object, "forced", request.forced);
  PutFlag(object, "only", request.only);
  PutFlag(object, "with_dependents", request.with_dependents);
  PutFlag(object, "update_env", request.update_env);
  PutFlag(object, "keep_instances", request.keep_instances);
  if (request.parallel != 1) object["parallel"] = request.parallel;
  if (request.count != 0) object["count"] = request.count;
  PutFlag(object, "relative", request.relative);
  if (request.until != Until::kReady) object["until"] = UntilName(request.until);
  if (request.timeout) object["timeout_ms"] = request.timeout->count();
  if (request.to.is_set()) object["to"] = request.to.number();
  if (request.signal != 0) object["signal"] = request.signal;
  PutFlag(object, "reveal", request.reveal);
  return object;
}

}  // namespace

std::string EncodeLine(const FromClient& message) {
  if (const auto* attach = std::get_if<Attach>(&message)) {
    return Line({{"v", kWireVersion}, {"attach", IdText(attach->id)}});
  }
  return Line(EncodeRequest(std::get<Request>(message)));
}

std::string EncodeLine(const FromDaemon& message) {
  if (const auto* accepted = std::get_if<Accepted>(&message))
    return Line(EncodeAccepted(*accepted));
  if (const auto* progress = std::get_if<Progress>(&message))
    return Line(EncodeProgress(*progress));
  return Line(EncodeReply(std::get<Reply>(message)));
}

std::string EncodeForPeople(const Reply& reply, std::string_view verb) {
  Json object = EncodeReply(reply);
  object["command"] = verb;
  return Line(object);
}

}  // namespace oxherd::control
