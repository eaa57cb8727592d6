// What all verbs share: the options, the places, where output goes, and the way to the daemon.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command_line/options.h"
#include "cli/connection/connection.h"
#include "cli/places.h"
#include "cli/render/terminal.h"
#include "config/find_oxfile.h"
#include "control/message.h"

namespace oxherd::cli {

using control::ExitCode;
using control::Reply;

struct Session {
  const Options& options;
  Places places;
  Screen screen;  // of standard output

  [[nodiscard]] std::string_view verb() const { return VerbName(options.verb); }
};

// Says why nothing was done - on stderr, or as the JSON object - and returns the exit code.
int Fail(const Session& session, ExitCode code, const std::string& error,
         const std::vector<std::string>& details = {});
int Fail(const Session& session, const NotConnected& problem);

// Prints the reply as JSON if that was asked for; the exit code.
int PrintJson(const Reply& reply, std::string_view verb);

// The Oxfile that the command means: -c, or found from here. Nothing: there is none.
[[nodiscard]] Result<std::optional<FoundOxfile>> WhichOxfile(const Session& session);

// The first one and those that were named beside it, absolute. Fails where one is not there.
[[nodiscard]] Result<std::vector<std::string>> AllOxfiles(const Session& session,
                                                          const FoundOxfile& first);

// A Request with all that comes from the options, the folder and the environment.
[[nodiscard]] Result<control::Request> MakeRequest(const Session& session, control::Command command,
                                                   const std::optional<FoundOxfile>& oxfile);

// Asks something that only looks, of a daemon that must be there. 10 s at most.
[[nodiscard]] std::expected<Reply, NotConnected> Ask(const Session& session,
                                                     control::Command command,
                                                     const std::vector<std::string>& names);

// The same with a request of which only command and what belongs to it are filled in.
[[nodiscard]] std::expected<Reply, NotConnected> Ask(const Session& session,
                                                     control::Request request);

[[nodiscard]] std::int64_t UnixMillis();

// Prints, once per call, that the daemon is of another version, if it is.
void WarnOfVersion(const Reply& reply);

// The version of this program.
[[nodiscard]] std::string_view Version();

}  // namespace oxherd::cli
