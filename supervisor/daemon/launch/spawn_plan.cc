#include "daemon/launch/spawn_plan.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "config/environment.h"
#include "daemon/traffic/pools.h"
#include "os/log_index.h"
#include "os/random.h"

namespace oxherd {
namespace {

using os::LogStream;

using Environment = std::vector<EnvEntry>;

const Command& CommandFor(const Spec& spec, Purpose purpose) {
  switch (purpose) {
    case Purpose::kInstance:
      return spec.command;
    case Purpose::kPreReload:
      return spec.pre_reload_cmd;
    case Purpose::kPreStop:
      return spec.pre_stop_cmd;
    case Purpose::kPostStop:
      return spec.post_stop_cmd;
    case Purpose::kCheck:
      return spec.health_check.command;
    case Purpose::kErrand:
      break;
  }
  return spec.command;
}

std::string_view ValueOf(const Environment& environment, std::string_view name) {
  const auto found = std::ranges::find(environment, name, &EnvEntry::first);
  return found == environment.end() ? std::string_view() : std::string_view(found->second);
}

bool IsProgram(const std::string& path) {
  struct stat facts{};
  return stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

// As execvp(3) looks for it; empty if it is not there. What has a slash is left to execve(2).
std::string FindProgram(const std::string& name, const std::string& folder,
                        std::string_view search_path) {
  if (name.find('/') != std::string::npos) {
    return name.front() == '/' ? name : folder + "/" + name;
  }
  while (!name.empty()) {
    const std::size_t colon = search_path.find(':');
    const std::string_view part = search_path.substr(0, colon);
    std::string path = part.empty()          ? folder
                       : part.front() != '/' ? folder + "/" + std::string(part)
                                             : std::string(part);
    path += "/" + name;
    if (IsProgram(path)) return path;
    if (colon == std::string_view::npos) break;
    search_path.remove_prefix(colon + 1);
  }
  return "";
}

std::unexpected<PlanFailure> Fail(keeper::Stage stage, int number, std::string text = "") {
  return std::unexpected(PlanFailure{stage, number, std::move(text)});
}

void SetVariable(Environment& environment, std::string_view name, std::string value) {
  const auto place = std::ranges::lower_bound(
      environment, name, {}, [](const EnvEntry& entry) { return std::string_view(entry.first); });
  if (place != environment.end() && place->first == name) {
    place->second = std::move(value);
  } else {
    environment.emplace(place, name, std::move(value));
  }
}

Result<Environment> EnvironmentFor(const SpawnOrder& order, const SpawnGround& ground) {
  const SpawnIdentity identity{
      .slot = order.slot, .generation = order.generation, .token = order.token};
  OXHERD_TRY_ASSIGN(Environment environment, BuildEnvironment(order.spec, identity, ground.base));
  if (!ground.state_folder.empty()) {
    SetVariable(environment, "OXHERD_STATE", ground.state_folder);
  }
  if (order.checked.is_set()) {
    SetVariable(environment, "OXHERD_PID", std::to_string(order.checked.number()));
  }
  for (const auto& [name, value] : order.variables) SetVariable(environment, name, value);
  return environment;
}

// A path of the Oxfile is relative to its folder; config/ has made it absolute unless it begins
// with a variable.
Result<std::string> LogPath(const std::string& written, const SpawnOrder& order,
                            const Environment& environment, const SpawnGround& ground,
                            LogStream stream) {
  if (written.empty()) {
    if (ground.logs_folder.empty()) return "/dev/null";
    return os::DefaultLogPath(ground.logs_folder, {order.spec.name, order.slot}, stream);
  }
  Result<std::string> path = Expand(written, environment, order.slot);
  if (path && !path->starts_with('/')) path->insert(0, order.spec.working_dir + "/");
  return path;
}

Result<LogSpec> ExpandLogs(const SpawnOrder& order, const Environment& environment,
                           const SpawnGround& ground) {
  LogSpec logs = order.spec.logs;
  if (logs.to != LogTo::kFile) {
    logs.out_path = logs.err_path = "/dev/null";
    return logs;
  }
  const bool merged = !logs.out_path.empty() && logs.err_path == logs.out_path;
  OXHERD_TRY_ASSIGN(logs.out_path,
                    LogPath(logs.out_path, order, environment, ground, LogStream::kOut));
  if (merged) {
    logs.err_path = logs.out_path;
    return logs;
  }
  OXHERD_TRY_ASSIGN(logs.err_path,
                    LogPath(logs.err_path, order, environment, ground, LogStream::kErr));
  return logs;
}

std::vector<std::string> Joined(const Environment& environment) {
  std::vector<std::string> joined;
  joined.reserve(environment.size());
  for (const auto& [name, value] : environment) {
    std::string& entry = joined.emplace_back();
    entry.reserve(name.size() + value.size() + 1);
    entry.append(name).append(1, '=').append(value);
  }
  return joined;
}

// sd_listen_fds(3) and what npm leaves open: once at 3…, once more at 200….
constexpr int kFirstListenFd = 3;
constexpr int kFirstSpareFd = 200;

std::string PortText(const std::string& address) {
  return address.starts_with("unix:") ? "" : address.substr(address.rfind(':') + 1);
}

// A program that the loader takes no LD_PRELOAD for; empty: it is none. Source: ld.so(8).
std::string IgnoresPreload(const std::string& program) {
  struct stat facts{};
  if (stat(program.c_str(), &facts) == 0 && (facts.st_mode & (S_ISUID | S_ISGID)) != 0) {
    return "is set-user-ID or set-group-ID";
  }
  if (getxattr(program.c_str(), "security.capability", nullptr, 0) > 0) {
    return "has file capabilities";
  }
  return "";
}

// Why a program cannot be given its sockets, and what to do; empty: it can.
std::string CannotBeGiven(const std::string& program) {
  const std::string why = IgnoresPreload(program);
  if (why.empty()) return "";
  static constexpr std::array<std::string_view, 4> kChangeUser = {"sudo", "doas", "su", "pkexec"};
  const std::string name = program.substr(program.rfind('/') + 1);
  std::string mend = "with listen it needs no privilege to have a port: remove that (setcap -r, ";
  mend += "chmod ug-s), or remove listen";
  if (std::ranges::find(kChangeUser, name) != kChangeUser.end()) {
    mend = "start the program without " + name;
    mend += " (user = \"…\" says as whom it is to run), or remove listen";
  }
  return program + " " + why + ", so it takes no LD_PRELOAD and cannot be given its socket; " +
         mend;
}

// The instance's sockets: as descriptors for programs that know sd_listen_fds(3), and by the
// preload library for all others.
void AddSockets(const SpawnOrder& order, const SpawnGround& ground, Environment& environment,
                keeper::Plan& plan) {
  const ListenOrder& listen = *order.listen;
  std::string names;
  std::string ports;
  for (std::size_t i = 0; i < listen.addresses.size(); ++i) {
    const ListenOrder::Address& address = listen.addresses[i];
    const std::string port = PortText(address.text);
    const int spare = kFirstSpareFd + static_cast<int>(i);
    for (const int target : {kFirstListenFd + static_cast<int>(i), spare}) {
      plan.descriptors.push_back(
          {.target = target,
           .source = keeper::MappedDescriptor::Source::kHeld,
           .open = address.shared ? keeper::MappedDescriptor::Open::kAsItIs
                                  : keeper::MappedDescriptor::Open::kListening,
           .attached = 0,
           .name = HeldSocket{order.spec.name, address.text, listen.number}.name()});
    }
    names += (i == 0 ? "" : ":") + (port.empty() ? "unix" : port);
    if (port.empty()) continue;
    ports += (ports.empty() ? "" : ",") + port + "=" + std::to_string(spare);
  }
  if (!listen.addresses.empty()) {
    SetVariable(environment, "LISTEN_FDS", std::to_string(listen.addresses.size()));
    SetVariable(environment, "LISTEN_FDNAMES", names);
    SetVariable(environment, "LISTEN_PID", "");  // the keeper's child fills it in
  }
  if (listen.finds) ports += ports.empty() ? "auto" : ",auto";
  if (ports.empty() || ground.listen_library.empty()) return;
  plan.listen = keeper::ListenGrant{.number = listen.number, .secret = listen.secret};
  SetVariable(environment, "OXHERD_LISTEN", ports);
  if (!ground.listen_socket.empty()) {
    SetVariable(environment, "OXHERD_LISTEN_SOCKET", ground.listen_socket);
  }
  SetVariable(environment, "OXHERD_LISTEN_KEY",
              std::to_string(order.token.number()) + ":" + os::Hexadecimal(listen.secret));
  const std::string_view others = ValueOf(environment, "LD_PRELOAD");
  SetVariable(environment, "LD_PRELOAD",
              std::string(others) + (others.empty() ? "" : ":") + ground.listen_library);
}

void AddLimits(const Limits& limits, keeper::Plan& plan) {
  const auto add = [&](int resource, const std::optional<std::uint64_t>& limit) {
    if (limit) plan.limits.push_back({.resource = resource, .soft = *limit, .hard = *limit});
  };
  add(RLIMIT_NOFILE, limits.max_open_files);
  add(RLIMIT_NPROC, limits.max_processes);
  add(RLIMIT_CORE, limits.core_bytes);
}

}  // namespace

Purpose PurposeOf(ProcessKind kind) {
  switch (kind) {
    case ProcessKind::kInstance:
      return Purpose::kInstance;
    case ProcessKind::kPreReload:
      return Purpose::kPreReload;
    case ProcessKind::kPreStop:
      return Purpose::kPreStop;
    case ProcessKind::kPostStop:
      return Purpose::kPostStop;
  }
  return Purpose::kInstance;
}

std::expected<SpawnPlan, PlanFailure> MakeSpawnPlan(const SpawnOrder& order,
                                                    const SpawnGround& ground) {
  const Spec& spec = order.spec;
  Result<Environment> environment = EnvironmentFor(order, ground);
  if (!environment) return Fail(keeper::Stage::kPlan, EINVAL, environment.error().message);
  const Command& command = order.command ? *order.command : CommandFor(spec, order.purpose);
  Result<std::vector<std::string>> arguments = ExpandCommand(command, *environment, order.slot);
  if (!arguments) return Fail(keeper::Stage::kPlan, EINVAL, arguments.error().message);
  if (arguments->empty()) return Fail(keeper::Stage::kPlan, EINVAL, "the command is empty");
  Result<LogSpec> logs = ExpandLogs(order, *environment, ground);
  if (!logs) return Fail(keeper::Stage::kPlan, EINVAL, logs.error().message);

  SpawnPlan result;
  result.logs = std::move(*logs);
  keeper::Plan& plan = result.plan;
  if (order.purpose == Purpose::kInstance) plan.program = spec.program;
  if (plan.program.empty()) {
    plan.program = FindProgram(arguments->front(), spec.working_dir, ValueOf(*environment, "PATH"));
  }
  if (plan.program.empty()) return Fail(keeper::Stage::kExec, ENOENT);
  const bool must_take = order.listen && !order.listen->addresses.empty();
  if (order.listen) {
    if (std::string why = CannotBeGiven(plan.program); must_take && !why.empty()) {
      return Fail(keeper::Stage::kPlan, EPERM, std::move(why));
    }
    AddSockets(order, ground, *environment, plan);
  }
  plan.arguments = std::move(*arguments);
  plan.environment = Joined(*environment);
  plan.directory = spec.working_dir;
  AddLimits(spec.limits, plan);
  if (spec.nice) plan.nice = *spec.nice;
  if (spec.umask) plan.umask = *spec.umask;
  plan.no_new_privs = spec.no_new_privs;
  if (spec.run_as.is_set()) {
    plan.identity = keeper::Identity{
        .uid = spec.run_as.uid, .gid = spec.run_as.gid, .groups = spec.run_as.groups};
  }
  return result;
}

Result<LogSpec> LogsOf(const Spec& spec, SlotIndex slot, const SpawnGround& ground) {
  const SpawnOrder order{
      .spec = spec, .slot = slot, .generation = Generation(1), .token = Token(1)};
  if (spec.logs.out_path.empty() && spec.logs.err_path.empty()) {
    return ExpandLogs(order, {}, ground);  // nothing to expand
  }
  OXHERD_TRY_ASSIGN(const Environment environment, EnvironmentFor(order, ground));
  return ExpandLogs(order, environment, ground);
}

Result<std::string> ProbeTarget(const Spec& spec, const SpawnOrder& order,
                                const SpawnGround& ground) {
  if (spec.health_check.target.find("${") == std::string::npos) return spec.health_check.target;
  OXHERD_TRY_ASSIGN(const Environment environment, EnvironmentFor(order, ground));
  return Expand(spec.health_check.target, environment, order.slot);
}

}  // namespace oxherd
