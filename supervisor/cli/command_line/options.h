// What was typed, understood: the verb, its names and its flags.
//
// Only the options of the verb that was typed are set up: `oxherd list` has no time to lose.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/program_oxfile.h"
#include "control/message.h"
#include "control/pm2_list.h"

namespace oxherd::cli {

enum class Verb : std::uint8_t {
  kGreeting,  // `oxherd` alone
  kStart,
  kStop,
  kRestart,
  kReload,
  kApply,
  kDelete,
  kList,
  kStatus,
  kLogs,
  kValidate,
  kWait,
  kInstance,
  kRollback,
  kReset,
  kEnvironment,
  kExec,
  kSignal,
  kExport,
  kFlush,
  kEvents,
  kDoctor,
  kTop,
  kScale,
  kRun,
  kImport,
  kInit,
  kPid,
  kId,
  kSave,
  kPing,
  kDaemonRun,
  kDaemonStart,
  kDaemonStop,
  kDaemonStatus,
  kDaemonUpgrade,
  kDaemonLogs,
  kServiceInstall,
  kServiceUninstall,
  kServiceStatus,
  kStartup,
  kUnstartup,
  kCompletion,
  kVersion,
};

// `logs` and `daemon logs`.
struct LogOptions {
  bool follow = false;
  std::optional<std::uint32_t> lines;  // -n; nothing: 15
  bool only_err = false;
  bool only_out = false;
  std::optional<Millis> since;
  std::string pattern;  // --grep, a regular expression
  std::string level;    // --level, the least: trace to fatal
  bool utc = false;
  bool raw = false;
};

// What `start PROGRAM` and `run PROGRAM` say of the program.
struct ProgramOptions {
  std::optional<std::string> name;       // --name
  std::optional<std::string> folder;     // --cwd, as typed
  std::string interpreter;               // --interpreter
  std::vector<ProgramSetting> settings;  // the flags that are keys of an Oxfile
  std::vector<std::string> path_keys;    // those of them whose values are paths, as typed
  std::vector<EnvEntry> env;             // --env NAME=VALUE
  std::vector<std::string> copied;       // -e NAME: from this environment
  std::vector<std::string> env_files;    // as typed
  std::vector<std::string> typed_flags;  // whatever of these was given, for messages
  bool replace = false;                  // --replace
};

struct Options {
  Verb verb = Verb::kGreeting;
  std::vector<std::string> names;
  std::optional<std::string> oxfile;      // -c, or the first of the files that were named
  std::vector<std::string> more_oxfiles;  // the others
  std::optional<std::string> profile;     // --env; empty: none
  std::optional<std::string> out;         // import: --out
  std::vector<std::string> only_names;    // --only; they are among `names` as well
  std::string exit_with;                  // run: --exit-with
  bool keep_going = false;                // run: --keep-going
  bool json = false;
  bool no_wait = false;
  bool dry_run = false;
  bool forced = false;
  bool only = false;  // --only; the names after it are among `names`
  bool with_dependents = false;
  bool update_env = false;
  bool keep_instances = false;
  bool of_user_manager = false;  // --user: systemctl --user
  std::string user;              // -u of `startup`; empty: this one
  enum class OfInstance : std::uint8_t { kNotSaid, kDrain, kResume, kRestart };
  OfInstance of_instance = OfInstance::kNotSaid;  // instance
  std::int32_t count = 0;                         // scale
  bool is_count_relative = false;                 // scale: +N, -N
  std::uint16_t parallel = 1;
  control::Until until = control::Until::kReady;
  std::optional<Millis> timeout;
  LogOptions logs;
  ProgramOptions program;
  std::vector<std::string> typed;            // the names, before any was taken for a file
  std::vector<std::string> arguments;        // what comes after `--`
  Generation to{};                           // rollback: --to; not set: the last good one
  bool reveal = false;                       // env: --reveal
  bool prune = false;                        // apply: --prune
  bool watches = false;                      // list: --watch
  std::optional<control::Pm2Form> pm2_list;  // jlist and prettylist, without --json
  bool is_program = false;                   // `oxfile` was made for a program that was typed
};

// Why there are no Options: help was asked for (code 0, for stdout), or it was asked wrongly (code
// 2, one line for stderr).
struct NotOptions {
  int code = 0;
  std::string text;  // ends with a newline
};

// `words` are the arguments without the program's name.
[[nodiscard]] std::expected<Options, NotOptions> ParseWords(std::span<const std::string> words);

// The options that a verb takes, as they are typed: "-c", "--config", "--json".
struct VerbEntry;
[[nodiscard]] std::vector<std::string> FlagsOf(const VerbEntry& entry);

// The name of a verb as it is typed: "daemon stop".
[[nodiscard]] std::string_view VerbName(Verb verb);

// What `oxherd --help` prints.
[[nodiscard]] std::string HelpText();

}  // namespace oxherd::cli
