// What a process of a service needs, worked out for one instance: program, arguments, environment,
// folder, limits, and where its output goes.
//
// Pure but for looking up a program that was not found when its spec was frozen, and the commands
// of hooks and checks, on the instance's PATH.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "core/action.h"
#include "core/spec.h"
#include "keeper/plan.h"
#include "keeper/protocol.h"

namespace oxherd {

// Which of a service's commands.
enum class Purpose : std::uint8_t {
  kInstance,
  kPreReload,
  kPreStop,
  kPostStop,
  kCheck,
  kErrand,  // one of the daemon's own, with its output in the service's log (errands/errands.h)
};
[[nodiscard]] Purpose PurposeOf(ProcessKind kind);

// The sockets of an instance whose service has `listen`.
struct ListenOrder {
  SocketNumber number = 0;
  struct Address {
    std::string text;     // canonical, as its pool is open
    bool shared = false;  // the other instances have the same socket
  };
  std::vector<Address> addresses;
  keeper::ListenSecret secret{};  // of this spawn alone
  bool finds = false;             // the address is not surely known: the library tells of another
};

struct SpawnOrder {
  const Spec& spec;
  SlotIndex slot = 0;
  Generation generation;
  Token token;
  Purpose purpose = Purpose::kInstance;
  Pid checked{};  // kCheck: the process that is asked (OXHERD_PID)
  std::optional<ListenOrder> listen = {};
  const Command* command = nullptr;       // instead of the spec's
  std::vector<EnvEntry> variables = {};   // further ones, which win
  std::optional<std::string> input = {};  // its stdin; as much of it as a pipe holds
};

// What the daemon itself contributes.
struct SpawnGround {
  std::span<const EnvEntry> base;   // Surroundings::base
  std::string logs_folder;          // empty: what the Oxfile names no file for goes to /dev/null
  std::string state_folder = {};    // OXHERD_STATE: which home the process is of
  std::string listen_socket = {};   // OXHERD_LISTEN_SOCKET: where the keeper gives out sockets
  std::string listen_library = {};  // liboxherd-listen.so; empty: it is not installed
};

struct SpawnPlan {
  keeper::Plan plan;  // without descriptors
  LogSpec logs;       // both paths absolute and expanded
};

// Why there is no plan, in the terms of a failed spawn. `text` says it in full where stage and
// errno cannot; else it is empty.
struct PlanFailure {
  keeper::Stage stage = keeper::Stage::kPlan;
  std::int32_t error_number = 0;
  std::string text;
};

[[nodiscard]] std::expected<SpawnPlan, PlanFailure> MakeSpawnPlan(const SpawnOrder& order,
                                                                  const SpawnGround& ground);

// Where an instance's output goes. An error names what cannot be expanded.
[[nodiscard]] Result<LogSpec> LogsOf(const Spec& spec, SlotIndex slot, const SpawnGround& ground);

// A health check's target with this instance's values in it.
[[nodiscard]] Result<std::string> ProbeTarget(const Spec& spec, const SpawnOrder& order,
                                              const SpawnGround& ground);

}  // namespace oxherd
