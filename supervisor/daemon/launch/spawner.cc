#include "daemon/launch/spawner.h"

#include <span>
#include <utility>

#include "os/acting_as.h"
#include "os/filled_pipe.h"
#include "os/log_file.h"
#include "os/log_index.h"

namespace oxherd {
namespace {

std::unexpected<PlanFailure> Fail(keeper::Stage stage, int number, std::string text = "") {
  return std::unexpected(PlanFailure{stage, number, std::move(text)});
}

keeper::ProcessKind KindOf(Purpose purpose) {
  switch (purpose) {
    case Purpose::kInstance:
      return keeper::ProcessKind::kInstance;
    case Purpose::kCheck:
    case Purpose::kErrand:
      return keeper::ProcessKind::kCheck;
    case Purpose::kPreReload:
    case Purpose::kPreStop:
    case Purpose::kPostStop:
      break;
  }
  return keeper::ProcessKind::kHook;
}

// Above what a program is given by sd_listen_fds(3), below the spare ones.
constexpr int kNodeChannel = 190;

// One directory for each slot, kept by the keeper between its restarts; others have their own.
std::string CgroupFor(const SpawnOrder& order) {
  std::string name = order.spec.name + "." + std::to_string(order.slot);
  if (order.purpose == Purpose::kCheck) return name + ".check";
  if (order.purpose == Purpose::kErrand) return name + ".errand";
  if (order.purpose != Purpose::kInstance) return name + ".hook";
  return name;
}

// What a user's service writes to where its Oxfile says is opened with that user's rights, not with
// root's.
void SetWriters(OutputSource& source, const Spec& spec) {
  if (spec.run_as.user.empty()) return;
  if (spec.logs.to != LogTo::kFile) return;
  if (!spec.logs.out_path.empty()) source.out_writer = spec.run_as;
  if (!spec.logs.err_path.empty()) source.err_writer = spec.run_as;
}

// The child's descriptor `target` is the other end of attached pipe number `attached`.
keeper::MappedDescriptor PipeAt(int target, std::uint8_t attached) {
  return {.target = target,
          .source = keeper::MappedDescriptor::Source::kAttached,
          .open = keeper::MappedDescriptor::Open::kReadWrite,
          .attached = attached,
          .name = {}};
}

}  // namespace

std::expected<void, PlanFailure> Spawner::MakePipes(const LogSpec& logs, keeper::Plan& plan,
                                                    Pipes& pipes) {
  const bool merged = logs.err_path == logs.out_path;
  for (const int target : {1, 2}) {
    if (target == 2 && merged) {
      plan.descriptors.push_back(PipeAt(target, 1));
      break;
    }
    os::SystemResult<os::Pipe> pipe = os::MakePipe(os::PipeReading::kDoesNotBlock);
    if (!pipe) return Fail(keeper::Stage::kPipe, pipe.error().number);
    // So that a program of another user may open its /dev/stdout anew.
    if (plan.identity) {
      const auto given = os::GiveTo(pipe->write_end, plan.identity->uid, plan.identity->gid);
      if (!given) return Fail(keeper::Stage::kPipe, given.error().number);
    }
    os::SystemResult<os::Fd> copy = os::Duplicate(pipe->read_end.get());
    if (!copy) return Fail(keeper::Stage::kPipe, copy.error().number);
    plan.descriptors.push_back(PipeAt(target, static_cast<std::uint8_t>(target)));
    (target == 1 ? pipes.starting.source.out : pipes.starting.source.err) = std::move(*copy);
    pipes.for_keeper.push_back(std::move(pipe->read_end));
    pipes.starting.write_ends.push_back(std::move(pipe->write_end));
  }
  return {};
}

// Not at every restart: walking down to the file costs more system calls than all the rest. One
// that turns bad later is reported by the output log, and the instance is worth more than its
// output.
std::expected<void, PlanFailure> Spawner::CheckLogs(OutputSource& source) {
  const LogSpec& logs = source.logs;
  if (checked_paths_.contains(logs.out_path) && checked_paths_.contains(logs.err_path)) return {};
  if (Status usable = OpenLogs(source); !usable) {
    return Fail(keeper::Stage::kPlan, usable.error().number, usable.error().message);
  }
  const os::LogAccess access{.mode = logs.mode, .group = logs.gid};
  if (access != os::LogAccess{} && !parts_.ground.logs_folder.empty()) {
    for (const std::string& path : {logs.out_path, logs.err_path}) {
      os::OpenTheWay(parts_.ground.logs_folder, path, access);
    }
  }
  checked_paths_.insert(logs.out_path);
  checked_paths_.insert(logs.err_path);
  return {};
}

// What lets a program say that it is ready, if that is waited for. The first of its descriptors is
// the child's end of the channel, number `attached` of the Spawn.
std::expected<std::optional<NotifySockets::Mouth>, PlanFailure> Spawner::MakeMouth(
    const SpawnOrder& order, keeper::Plan& plan, std::size_t attached) {
  const bool speaks =
      order.purpose == Purpose::kInstance && order.spec.policy.ready_by == ReadyBy::kNotify;
  if (!speaks) return std::nullopt;
  Result<NotifySockets::Mouth> mouth = parts_.notify.Make(order.token, order.spec.run_as);
  if (!mouth) return Fail(keeper::Stage::kPlan, mouth.error().number, mouth.error().message);
  plan.environment.push_back("NOTIFY_SOCKET=" + mouth->notify_path);
  plan.environment.push_back("NODE_CHANNEL_FD=" + std::to_string(kNodeChannel));
  plan.environment.emplace_back("NODE_CHANNEL_SERIALIZATION_MODE=json");
  plan.descriptors.push_back({.target = kNodeChannel,
                              .source = keeper::MappedDescriptor::Source::kAttached,
                              .open = keeper::MappedDescriptor::Open::kAsItIs,
                              .attached = static_cast<std::uint8_t>(attached),
                              .name = {}});
  return std::move(*mouth);
}

// A pipe with all of it already in it, and no writer: number `attached` of the Spawn.
std::expected<std::optional<os::Fd>, PlanFailure> Spawner::MakeInput(const SpawnOrder& order,
                                                                     keeper::Plan& plan,
                                                                     std::size_t attached) {
  if (!order.input) return std::nullopt;
  os::SystemResult<os::Fd> pipe = os::PipeWith(*order.input);
  if (!pipe) return Fail(keeper::Stage::kPipe, pipe.error().number);
  plan.descriptors.push_back({.target = 0,
                              .source = keeper::MappedDescriptor::Source::kAttached,
                              .open = keeper::MappedDescriptor::Open::kAsItIs,
                              .attached = static_cast<std::uint8_t>(attached),
                              .name = {}});
  return std::move(*pipe);
}

std::expected<void, PlanFailure> Spawner::Spawn(const SpawnOrder& order) {
  auto made = MakeSpawnPlan(order, parts_.ground);
  if (!made) return std::unexpected(std::move(made.error()));
  keeper::Plan& plan = made->plan;
  plan.cgroup = CgroupFor(order);
  Pipes pipes;
  if (order.purpose != Purpose::kCheck) {
    OutputSource& source = pipes.starting.source;
    source.logs = std::move(made->logs);
    SetWriters(source, order.spec);
    if (auto checked = CheckLogs(source); !checked) return checked;
    if (auto piped = MakePipes(source.logs, plan, pipes); !piped) return piped;
  }
  // Behind the plan and the pipes.
  auto mouth = MakeMouth(order, plan, pipes.for_keeper.size() + 1);
  if (!mouth) return std::unexpected(std::move(mouth.error()));
  auto input = MakeInput(order, plan, pipes.for_keeper.size() + (*mouth ? 4 : 1));
  if (!input) return std::unexpected(std::move(input.error()));
  const std::string bytes = keeper::EncodePlan(plan);
  Result<os::Fd> memfd = os::MakeSealedMemfd("plan", std::as_bytes(std::span(bytes)));
  if (!memfd) return Fail(keeper::Stage::kPipe, memfd.error().number, memfd.error().message);

  keeper::Spawn spawn{.token = order.token,
                      .label = {.service = keeper::Name(order.spec.name),
                                .slot = order.slot,
                                .generation = order.generation,
                                .kind = KindOf(order.purpose)},
                      .roles = {}};
  std::vector<os::Fd> attached;
  spawn.roles.Add(keeper::Role::kPlan);
  attached.push_back(std::move(*memfd));
  for (os::Fd& read_end : pipes.for_keeper) {
    spawn.roles.Add(attached.size() == 1 ? keeper::Role::kStdout : keeper::Role::kStderr);
    attached.push_back(std::move(read_end));
  }
  if (*mouth) {
    spawn.roles.Add(keeper::Role::kPassed);
    attached.push_back(std::move((*mouth)->channel_for_child));
    spawn.roles.Add(keeper::Role::kChannel);
    attached.push_back(std::move((*mouth)->channel_for_keeper));
    spawn.roles.Add(keeper::Role::kNotify);
    attached.push_back(std::move((*mouth)->notify_for_keeper));
  }
  if (*input) {
    spawn.roles.Add(keeper::Role::kPassed);
    attached.push_back(std::move(**input));
  }
  if (order.purpose != Purpose::kCheck) {
    OutputSource& source = pipes.starting.source;
    source.token = order.token;
    source.instance = {order.spec.name, order.slot};
    source.generation = order.generation;
    const bool matches =
        order.purpose == Purpose::kInstance && order.spec.policy.ready_by == ReadyBy::kLog;
    if (matches) source.ready_log = order.spec.ready_log;
    starting_.emplace(order.token, std::move(pipes.starting));
  }
  parts_.keeper.Send(spawn, std::move(attached));
  return {};
}

void Spawner::OnStarted(Token token) {
  const auto found = starting_.find(token);
  if (found == starting_.end()) return;
  attached_.insert(token);
  parts_.output.Attach(std::move(found->second.source));
  starting_.erase(found);
}

void Spawner::Adopt(const keeper::WorldRecord& record, std::vector<os::Fd> attached,
                    const Spec* spec) {
  OutputSource source{.token = record.token,
                      .instance = {std::string(record.label.service.text()), record.label.slot},
                      .generation = record.label.generation,
                      .logs = {},
                      .out = {},
                      .err = {},
                      .out_writer = {},
                      .err_writer = {},
                      .out_file = {},
                      .err_file = {},
                      .ready_log = {}};
  const std::span<const keeper::Role> roles = record.held.view();
  for (std::size_t i = 0; i < roles.size() && i < attached.size(); ++i) {
    if (roles[i] == keeper::Role::kStdout) source.out = std::move(attached[i]);
    if (roles[i] == keeper::Role::kStderr) source.err = std::move(attached[i]);
    if (roles[i] == keeper::Role::kNotify) {
      parts_.notify.AdoptNotify(record.token, std::move(attached[i]));
    } else if (roles[i] == keeper::Role::kChannel) {
      parts_.notify.AdoptChannel(record.token, std::move(attached[i]));
    }
  }
  if (!source.out && !source.err) return;
  Result<LogSpec> logs = MakeError("");
  if (spec != nullptr) logs = LogsOf(*spec, record.label.slot, parts_.ground);
  if (logs) {
    source.logs = std::move(*logs);
    SetWriters(source, *spec);
  } else {
    const auto path = [&](os::LogStream stream) {
      const std::string& folder = parts_.ground.logs_folder;
      return folder.empty() ? "/dev/null" : os::DefaultLogPath(folder, source.instance, stream);
    };
    source.logs.out_path = path(os::LogStream::kOut);
    source.logs.err_path = path(os::LogStream::kErr);
  }
  const bool matches = spec != nullptr && spec->policy.ready_by == ReadyBy::kLog &&
                       record.label.kind == keeper::ProcessKind::kInstance;
  if (matches) source.ready_log = spec->ready_log;
  attached_.insert(record.token);
  parts_.output.Attach(std::move(source));
}

void Spawner::OnSpawnFailed(Token token) {
  starting_.erase(token);
  parts_.notify.Forget(token);
}

void Spawner::Acknowledge(Token token) {
  parts_.notify.Forget(token);
  if (attached_.contains(token)) {
    parts_.output.Detach(token);
  } else {
    parts_.keeper.Send(keeper::Ack{token});
  }
}

void Spawner::OnDetached(Token token) {
  if (attached_.erase(token) > 0) parts_.keeper.Send(keeper::Ack{token});
}

}  // namespace oxherd
