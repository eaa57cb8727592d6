#include "daemon/commands/views.h"

#include <algorithm>
#include <utility>

#include "config/command.h"
#include "control/describe.h"
#include "core/start_order.h"
#include "os/clock.h"

namespace oxherd {
namespace {

using control::Row;
using control::ServiceDetail;

bool IsDone(const Instance& instance) {
  return instance.kind() == StateKind::kExited && instance.last_exit &&
         instance.last_exit->success();
}

std::string StateWord(const Service& service, const Instance& instance) {
  const bool oneshot = service.policy(instance.generation).type == ServiceType::kOneshot;
  if (instance.awaits_schedule()) return "scheduled";
  if (oneshot && IsDone(instance)) return "done";
  return std::string(Name(instance.kind()));
}

// All is well, so that what once failed is of no interest.
bool IsWell(const Instance& instance) {
  const StateKind kind = instance.kind();
  return kind == StateKind::kReady || kind == StateKind::kDraining || kind == StateKind::kStopped ||
         kind == StateKind::kStopping || IsDone(instance) || instance.awaits_schedule();
}

std::optional<Instant> NextTry(const Instance& instance) {
  if (const auto* backoff = std::get_if<Backoff>(&instance.state)) return backoff->until;
  if (const auto* failed = std::get_if<Failed>(&instance.state)) {
    if (failed->retry_at != kNever) return failed->retry_at;
  }
  return std::nullopt;
}

bool IsChosen(const std::vector<InstanceId>& only, const std::string& service, SlotIndex slot) {
  if (only.empty()) return true;
  return std::ranges::any_of(
      only, [&](const InstanceId& id) { return id.slot == slot && id.service == service; });
}

const KeptSpec* KeptOf(const Service& service, const Instance& instance) {
  return service.Find(instance.generation);
}

}  // namespace

Clocks Clocks::Read() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {.now = os::Now(), .unix_ms = std::chrono::duration_cast<Millis>(wall).count()};
}

std::string ReasonFor(const Failure& failure, const Spec* spec, const Observations& observations) {
  if (failure.kind == Failure::Kind::kSpawn) {
    const std::string* const text = observations.TroubleOf(failure.token);
    if (text != nullptr) return "cannot start: " + *text;
  }
  if (failure.kind == Failure::Kind::kExited) {
    const std::string* const taken = observations.PortTakenOf(failure.token);
    const std::string text = control::Describe(failure, {.spec = spec});
    return taken == nullptr ? text : text + ": " + *taken;
  }
  const auto* const foreign =
      failure.kind == Failure::Kind::kNotReady ? observations.ForeignOf(failure.token) : nullptr;
  if (foreign == nullptr) return control::Describe(failure, {.spec = spec});
  Failure sharper = failure;
  sharper.kind = Failure::Kind::kForeignPort;
  sharper.text = foreign->who;
  return control::Describe(sharper, {.spec = spec, .port = foreign->port});
}

std::string WithReason(std::string text, const Failure& failure, const Spec* spec,
                       const Observations& observations) {
  const std::string plain = control::Describe(failure, {.spec = spec});
  const std::size_t place = plain.empty() ? std::string::npos : text.find(plain);
  if (place == std::string::npos) return text;
  return text.replace(place, plain.size(), ReasonFor(failure, spec, observations));
}

std::vector<Row> Views::Rows(const std::vector<InstanceId>& only, WithUsage with_usage,
                             WithLogs with_logs) {
  std::vector<Row> rows;
  if (with_usage == WithUsage::kYes) from_.usage.Begin(clocks_.now);
  for (const Service& service : from_.state.services) {
    const std::size_t count = std::max<std::size_t>(service.slots.size(), 1);
    for (std::size_t i = 0; i < count; ++i) {
      const auto slot = static_cast<SlotIndex>(i);
      if (!IsChosen(only, service.name, slot)) continue;
      Row row = RowOf(service, slot, with_logs);
      if (with_usage == WithUsage::kYes && row.pid.is_set()) {
        const Usage usage = from_.usage.Of(service.slots[i].current.token(), row.pid);
        row.cpu_percent = usage.cpu_percent;
        row.memory_bytes = usage.memory_bytes;
      }
      rows.push_back(std::move(row));
    }
  }
  if (with_usage == WithUsage::kYes) from_.usage.End();
  return rows;
}

Row Views::RowOf(const Service& service, SlotIndex slot, WithLogs with_logs) {
  Row row;
  row.id = from_.observations.RowOf({service.name, slot});
  row.service = service.name;
  row.slot = slot;
  row.name_space = service.spec().name_space;
  row.wanted = service.wish == Wish::kRunning;
  row.generation = service.generation;
  row.state = Name(StateKind::kStopped);
  if (slot < service.slots.size()) {
    const Slot& place = service.slots[slot];
    const Instance& instance = place.current;
    row.wanted = row.wanted && place.wish == Wish::kRunning;
    row.generation = instance.generation;
    row.state = StateWord(service, instance);
    row.restarts = instance.restarts;
    row.last_exit = instance.last_exit;
    if (instance.state_since != Instant()) {
      row.since_unix_ms = clocks_.UnixMs(instance.state_since);
    }
    AddProcess(instance, row);
    AddTrouble(service, instance, row);
    AddListen(service, instance, row);
    if (const KeptSpec* kept = KeptOf(service, instance)) AddHealth(*kept->spec, instance, row);
    if (const control::Happening* why = from_.observations.ReplacedOf({service.name, slot})) {
      row.replaced_unix_ms = why->unix_ms;
      row.replaced_because = why->text;
    }
    if (place.replacement) {
      row.next_generation = place.replacement->generation;
      row.next_state = StateWord(service, *place.replacement);
    }
  }
  const std::string trouble = from_.files.TroubleOf(service.name);
  if (row.remark.empty() && !trouble.empty()) row.remark = "watch: " + trouble;
  if (with_logs == WithLogs::kYes) AddLogs(service.spec(), row);
  return row;
}

void Views::AddProcess(const Instance& instance, Row& row) const {
  const Process* const process = instance.process();
  if (process == nullptr || !process->pid.is_set()) return;
  row.pid = process->pid;
  row.uptime_ms = ToMillis(clocks_.now - process->spawned_at);
  if (const std::string* remark = from_.observations.RemarkOf(process->token)) {
    row.remark = *remark;
  }
}

void Views::AddTrouble(const Service& service, const Instance& instance, Row& row) const {
  if (const std::optional<Instant> next = NextTry(instance)) {
    row.next_try_unix_ms = clocks_.UnixMs(*next);
  }
  if (const auto next = from_.timetable.NextOf(service.name); next && row.wanted) {
    row.next_run_unix_ms = std::chrono::duration_cast<Millis>(next->time_since_epoch()).count();
  }
  if (const auto* waiting = std::get_if<Waiting>(&instance.state)) {
    if (waiting->order == Order::kAfterDependencies) {
      for (const Dependency& need : service.waits_for) {
        if (!IsMet(from_.state, need)) row.waits_for.push_back(need.service);
      }
    }
  }
  if (IsWell(instance)) return;
  const KeptSpec* const kept = KeptOf(service, instance);
  row.reason = ReasonFor(instance.failure, kept ? kept->spec.get() : nullptr, from_.observations);
  row.crashes = instance.crashes;
  if (instance.crashes > 0 && instance.first_crash != Instant()) {
    row.crash_span_ms = ToMillis(instance.state_since - instance.first_crash);
  }
}

void Views::AddHealth(const Spec& spec, const Instance& instance, Row& row) const {
  if (!spec.policy.has_health) return;
  row.health = from_.observations.HealthOf(instance.token());
}

void Views::AddLogs(const Spec& spec, Row& row) const {
  const Result<LogSpec> logs = LogsOf(spec, row.slot, from_.ground);
  if (!logs) return;
  if (logs->out_path != "/dev/null") row.out_log = logs->out_path;
  if (logs->err_path != "/dev/null") row.err_log = logs->err_path;
}

std::vector<ServiceDetail> Views::Details(const std::vector<InstanceId>& only) {
  std::vector<ServiceDetail> details;
  for (const Service& service : from_.state.services) {
    const bool chosen =
        only.empty() || std::ranges::find(only, service.name, &InstanceId::service) != only.end();
    if (chosen) details.push_back(DetailOf(service, only));
  }
  return details;
}

ServiceDetail Views::DetailOf(const Service& service, const std::vector<InstanceId>& only) {
  const Spec& spec = service.spec();
  ServiceDetail detail;
  detail.name = service.name;
  detail.type = spec.policy.type == ServiceType::kOneshot ? "oneshot" : "service";
  detail.name_space = spec.name_space;
  detail.wanted = service.wish == Wish::kRunning;
  detail.generation = service.generation;
  detail.reloading = service.rollout.has_value();
  if (service.last_reload) {
    const LastReload& last = *service.last_reload;
    detail.last_reload =
        control::ReloadRecord{.target = last.target,
                              .succeeded = last.succeeded,
                              .ended_unix_ms = clocks_.UnixMs(last.ended),
                              .reason = ReasonFor(last.failure, nullptr, from_.observations)};
  }
  detail.command = CommandText(spec.command);
  detail.folder = spec.working_dir;
  detail.oxfile = spec.defined_in();
  detail.line = spec.source_line;
  detail.env_files = spec.env_files;
  for (const Dependency& dependency : spec.policy.depends_on) {
    detail.depends_on.push_back(control::DependencyText(dependency));
  }
  detail.ready_by = control::ReadyByText(spec);
  detail.restart = control::RestartText(spec.policy);
  detail.stop = control::StopText(spec.policy);
  detail.limits = control::LimitsText(spec.limits);
  std::vector<InstanceId> all;
  for (std::size_t slot = 0; slot < std::max<std::size_t>(service.slots.size(), 1); ++slot) {
    const InstanceId id{service.name, static_cast<SlotIndex>(slot)};
    if (IsChosen(only, id.service, id.slot)) all.push_back(id);
  }
  AddPools(service, detail);
  detail.instances = Rows(all, WithUsage::kYes, WithLogs::kYes);
  detail.ready = !service.slots.empty();
  for (const Slot& slot : service.slots) {
    const Instance& instance = slot.current;
    const bool is_well = instance.is_ready() || IsDone(instance) || instance.awaits_schedule();
    if (!is_well) detail.ready = false;
    const Process* const process = instance.process();
    if (process == nullptr) continue;
    const std::int64_t since = clocks_.UnixMs(process->spawned_at);
    detail.running_since_unix_ms = std::min(detail.running_since_unix_ms.value_or(since), since);
  }
  detail.events = from_.observations.HappeningsOf(service.name);
  return detail;
}

Views::Counts Views::Count() const {
  Counts counts;
  for (const Service& service : from_.state.services) {
    ++counts.services;
    for (const Slot& slot : service.slots) {
      ++counts.instances;
      const Instance& instance = slot.current;
      const bool is_well = instance.is_ready() || IsDone(instance) || instance.awaits_schedule();
      if (is_well) ++counts.ready;
    }
  }
  return counts;
}

}  // namespace oxherd
