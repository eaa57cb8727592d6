// The verbs: each asks, shows, and returns the exit code (cli.md).
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"
#include "config/oxfile.h"

namespace oxherd::cli {

// Does what was typed.
[[nodiscard]] int Perform(const Session& session);

// ---- The parts of Perform. ----

// start, stop, restart, reload, apply, delete, wait, daemon stop.
[[nodiscard]] int Change(const Session& session, control::Command command);
// list, status, ping, daemon status.
[[nodiscard]] int Look(const Session& session, control::Command command);
// validate: without any daemon.
[[nodiscard]] int Validate(const Session& session);
// run, daemon run: become the keeper.
[[nodiscard]] int RunInForeground(const Session& session);
[[nodiscard]] int StartDaemonAlone(const Session& session);
// `oxherd` alone.
[[nodiscard]] int Greet(const Session& session);
[[nodiscard]] int ShowVersion(const Session& session);
// init: writes ./Oxfile.toml for what is there.
[[nodiscard]] int Init(const Session& session);
// pid, id: numbers for scripts.
[[nodiscard]] int PrintNumbers(const Session& session);
// save: says that there is nothing to do.
[[nodiscard]] int SayThatItIsSaved(const Session& session);

// env: what processes start with. exec: becomes a command in that environment.
[[nodiscard]] int ShowEnvironment(const Session& session);
[[nodiscard]] int Execute(const Session& session);
// signal: to main processes.
[[nodiscard]] int SendSignal(const Session& session);
// export: prints an Oxfile.
[[nodiscard]] int Export(const Session& session);
// flush: empties logs.
[[nodiscard]] int FlushLogs(const Session& session);

// events: the journal. Goes on until it is interrupted with -f.
[[nodiscard]] int ShowEvents(const Session& session);

// top: until it is left. Needs a terminal.
[[nodiscard]] int ShowTop(const Session& session);

// doctor: exit code 1 if something is wrong.
[[nodiscard]] int Doctor(const Session& session);

// The daemon's own log.
[[nodiscard]] int ShowDaemonLog(const Session& session);

// The file as this process would read it. Blocks on the disk.
[[nodiscard]] ReadOutcome ReadOwnOxfile(const Session& session, const std::string& path);
// Where an Oxfile was looked for and not found, and what to do: one line.
[[nodiscard]] std::string WhereOxfilesAre(const Session& session);
// Every mistake in the files, rendered; empty if there is none. Blocks on the disk.
[[nodiscard]] std::vector<std::string> MistakesIn(const Session& session,
                                                  const std::vector<std::string>& paths);

// daemon upgrade. Blocks until the new daemon answers.
[[nodiscard]] int UpgradeDaemon(const Session& session);

}  // namespace oxherd::cli
