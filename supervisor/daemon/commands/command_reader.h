// What a command from the wire means: names resolved, Oxfiles read, and either an event for the
// core or the reply that says why not.
//
// A command that is refused has touched nothing. Reads the disk (Oxfiles, env files, the folders
// and programs they name), decides nothing about services: that is the core's.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/oxfile.h"
#include "control/message.h"
#include "core/event.h"
#include "core/state.h"
#include "daemon/arguments.h"
#include "daemon/commands/spec_sources.h"

namespace oxherd {

// A command that the core is to carry out.
struct Understood {
  event::Request event;
  std::vector<std::string> oxfiles;  // that were read
  std::vector<std::string> notes;    // worth saying at once
  // For the result of a service: sentences for people.
  std::map<std::string, std::vector<std::string>> service_notes;
  // Services that were defined by the file and are no longer; they are left alone.
  std::vector<std::string> left_file;
  std::optional<SupervisorSettings> settings;  // of the file that was read last
};

// Gives a list number ("3") its instance; nothing if there is no such row.
using FindRow = std::function<std::optional<InstanceId>(std::uint32_t id)>;

struct CommandContext {
  const State& state;
  const Surroundings& surroundings;
  FindRow find_row;
  const OwnOxfile* own_oxfile = nullptr;  // for ReadAllAgain; null: none
};

// For tracked commands (control::IsTracked); an error is the Reply to give at once, which may also
// say that there is nothing to do.
[[nodiscard]] std::expected<Understood, control::Reply> ReadCommand(const control::Request& request,
                                                                    const CommandContext& context);

// Which instances a command that only looks is about: all where no name was typed. Errors as above.
[[nodiscard]] std::expected<std::vector<InstanceId>, control::Reply> ReadSelection(
    const control::Request& request, const CommandContext& context);

// SIGHUP: an `apply` of every file that services came from, and of the daemon's own. A file that
// does not hold is left out, and its errors are given back.
struct Reread {
  std::vector<event::Request> events;
  RenderedErrors errors;
  std::optional<SupervisorSettings> settings;
};
[[nodiscard]] Reread ReadAllAgain(const CommandContext& context);

// A boot: what was wanted, with specs as their files say now, and what the daemon's own file
// defines and nobody has known yet. A file that does not hold leaves the saved specs as they are,
// and its errors are given back.
struct FreshWishes {
  event::Boot boot;
  RenderedErrors errors;
  std::optional<SupervisorSettings> settings;
};
[[nodiscard]] FreshWishes ReadForBoot(event::Boot saved, const Surroundings& surroundings,
                                      const OwnOxfile* own = nullptr);

// The same for wishes whose specs were just read: only frozen.
[[nodiscard]] FreshWishes FreezeAll(event::Boot read, const Surroundings& surroundings);

// Random; never zero. Source: getrandom(2).
[[nodiscard]] RequestId RandomRequestId();

}  // namespace oxherd
