#include "cli/commands/import.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "cli/commands/commands.h"
#include "cli/connection/exchange.h"
#include "config/config_error.h"
#include "config/json_reader.h"
#include "config/pm2_import.h"
#include "config/procfile.h"
#include "config/text_file.h"
#include "os/captured_program.h"
#include "os/file.h"

namespace oxherd::cli {
namespace {

namespace fs = std::filesystem;

// Prints the content behind a mark, as the file may print too. What it throws is not caught: node
// then shows where.
constexpr const char* kEvaluate = R"js(
const [file, mark] = process.argv.slice(1);
import(require('node:url').pathToFileURL(file).href).then(async (module) => {
  let value = module.default ?? module;
  if (value.default && !value.apps) value = value.default;
  if (typeof value === 'function') value = value();
  const text = JSON.stringify(await value) ?? 'null';
  process.stdout.write('\n' + mark + text, () => process.exit(0));
});
)js";

bool HasExtension(std::string_view name, std::string_view extension) {
  return name.size() > extension.size() && name.ends_with(extension);
}

std::string HexadecimalHash(std::string_view text) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  std::string digits;
  for (int i = 0; i < 8; ++i, hash >>= 4U) digits += "0123456789abcdef"[hash & 15U];
  return digits;
}

Result<Value> ParseJson(std::string_view text, const std::string& shown) {
  auto value = ReadJson(text);
  if (value) return std::move(*value);
  const TextProblem& problem = value.error();
  const ConfigError error{shown, problem.position.line, problem.position.column,
                          {},    problem.message,       {}};
  return MakeError(error.Line());
}

Result<Value> Evaluate(const std::string& path, const std::string& shown) {
  const std::string mark =
      "oxherd-" + HexadecimalHash(std::to_string(NewRequestId().number())) + ":";
  os::CapturedProgram node;
  node.name = "node";
  node.arguments = {"-e", kEvaluate, "--", path, mark};
  node.folder = fs::path(path).parent_path();
  const auto captured = os::RunCaptured(node);
  if (!captured) {
    return captured.error().number == ENOENT
               ? MakeError(shown + ": only node can evaluate it, and there is none on the PATH")
               : MakeError(shown + ": " + captured.error().message);
  }
  const std::size_t found = captured->out.rfind("\n" + mark);
  if (!captured->status.success() || found == std::string::npos) {
    return MakeError(LocateNodeError(captured->err, path, shown));
  }
  return ParseJson(std::string_view(captured->out).substr(found + 1 + mark.size()), shown);
}

struct Wanted {
  std::string path;    // absolute
  std::string shown;   // as typed
  std::string target;  // absolute: the folder of the Oxfile
  bool is_dump = false;
};

bool IsProcfile(std::string_view path) {
  const std::string base = fs::path(path).filename().string();
  return base == "Procfile" || base.starts_with("Procfile.");
}

// An error of several lines is a list of them: each is shown.
int FailWithAll(const Session& session, const std::string& name, const std::string& message) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < message.size();) {
    const std::size_t end = std::min(message.find('\n', begin), message.size());
    lines.push_back(message.substr(begin, end - begin));
    begin = end + 1;
  }
  if (lines.size() < 2) return Fail(session, ExitCode::kAskedWrongly, message);
  return Fail(session, ExitCode::kAskedWrongly, name + " is not valid; nothing was changed", lines);
}

Result<Pm2Import> ConvertProcfile(const Wanted& wanted) {
  OXHERD_TRY_ASSIGN(const std::string text, ReadTextFile(wanted.path));
  ProcfileSource source{.name = fs::path(wanted.path).filename().string()};
  const fs::path env = fs::path(wanted.path).parent_path() / ".env";
  if (env.parent_path() != wanted.target) source.folder = env.parent_path().string();
  std::error_code error;
  if (fs::is_regular_file(env, error)) {
    source.env_files.push_back(source.folder.empty() ? ".env" : env.string());
  }
  ProcfileImport made = OxfileFromProcfile(text, source);
  std::string problems;
  for (const TextProblem& problem : made.problems) {
    const ConfigError located{wanted.shown, problem.position.line, problem.position.column,
                              {},           problem.message,       {}};
    problems += (problems.empty() ? "" : "\n") + located.Line();
  }
  if (!problems.empty()) return MakeError(problems);
  return Pm2Import{std::move(made.text), std::move(made.warnings)};
}

Result<Pm2Import> Convert(const Wanted& wanted) {
  if (IsProcfile(wanted.path)) return ConvertProcfile(wanted);
  Value content;
  if (wanted.is_dump || HasExtension(wanted.path, ".json") || HasExtension(wanted.path, ".pm2")) {
    OXHERD_TRY_ASSIGN(const std::string text, ReadTextFile(wanted.path));
    OXHERD_TRY_ASSIGN(content, ParseJson(text, wanted.shown));
  } else {
    if (::access(wanted.path.c_str(), R_OK) != 0) return ErrnoError(wanted.shown);
    OXHERD_TRY_ASSIGN(content, Evaluate(wanted.path, wanted.shown));
  }
  const Pm2Source source{.name = fs::path(wanted.path).filename().string(),
                         .folder = fs::path(wanted.path).parent_path().string(),
                         .target = wanted.target,
                         .is_file = [](const std::string& path) {
                           std::error_code error;
                           return fs::is_regular_file(path, error);
                         }};
  auto made =
      wanted.is_dump ? OxfileFromDump(content, source) : OxfileFromEcosystem(content, source);
  if (!made) return std::unexpected(std::move(made).error().In(wanted.shown));
  return made;
}

std::string WithoutSlash(const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).string();
}

Result<Wanted> WhatIsWanted(const Session& session) {
  Wanted wanted;
  OXHERD_TRY_ASSIGN(const std::string folder, WorkingFolder());
  const std::string& name = session.options.names.front();
  wanted.target = folder;
  if (session.options.out) {
    wanted.target = WithoutSlash((fs::path(folder) / *session.options.out).parent_path());
  }
  if (name == "pm2") {
    const char* const home = std::getenv("PM2_HOME");  // NOLINT(concurrency-mt-unsafe)
    wanted.path = home != nullptr && *home != '\0' ? std::string(home) + "/dump.pm2"
                                                   : session.places.home + "/.pm2/dump.pm2";
    wanted.shown = wanted.path;
    wanted.is_dump = true;
    return wanted;
  }
  wanted.path = (fs::path(folder) / name).lexically_normal().string();
  wanted.shown = name;
  wanted.is_dump = HasExtension(name, "dump.pm2");
  return wanted;
}

// Every mistake in what was made, rendered; a person has to mend them.
std::vector<std::string> MistakesOf(const Pm2Import& made, const Session& session,
                                    const std::string& path) {
  ReadOptions options;
  options.base_environment = {};
  options.home_dir = session.places.home;
  options.usable_cpus = 2;
  const auto outcome = ParseOxfile(made.text, path, options);
  std::vector<std::string> mistakes;
  if (outcome) return mistakes;
  for (const ConfigError& error : outcome.error()) mistakes.push_back(error.Render());
  return mistakes;
}

int WriteOut(const Session& session, const std::string& text) {
  const std::string& path = *session.options.out;
  if (std::error_code error; fs::exists(path, error)) {
    return Fail(session, ExitCode::kAskedWrongly,
                "\"" + path + "\" is there already; name another file, or remove it");
  }
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) return Fail(session, ExitCode::kNotDone, "cannot write \"" + path + "\"");
  Write(STDOUT_FILENO, "Oxfile: " + Clean(path) + "\n");
  return 0;
}

void SayWarnings(const Pm2Import& made) {
  for (const std::string& warning : made.warnings) {
    Write(STDERR_FILENO, "note: " + Clean(warning) + "\n");
  }
}

// The Oxfile for an ecosystem file, below the state folder.
Result<std::string> MakeOxfile(const Session& session, const std::string& name) {
  OXHERD_TRY_ASSIGN(const std::string folder, WorkingFolder());
  Wanted wanted;
  wanted.path = (fs::path(folder) / name).lexically_normal().string();
  wanted.shown = name;
  wanted.target = session.places.state + "/imported";
  OXHERD_TRY_ASSIGN(const Pm2Import made, Convert(wanted));
  const std::string file =
      fs::path(name).filename().string() + "-" + HexadecimalHash(wanted.path) + ".toml";
  const auto mistakes = MistakesOf(made, session, wanted.target + "/" + file);
  if (!mistakes.empty()) {
    std::string all =
        name + " cannot be run as it is: oxherd import " + name + " prints an Oxfile to mend";
    return MakeError(all + "\n" + mistakes.front());
  }
  OXHERD_TRY(MakePlaces(session.places));
  OXHERD_TRY(os::MakePrivateDirectory(wanted.target));
  const std::string header =
      "# Made anew by each `oxherd start " + wanted.path + "` (and reload).\n";
  OXHERD_TRY(os::ReplaceFile(wanted.target, file, header + made.text));
  SayWarnings(made);
  return wanted.target + "/" + file;
}

}  // namespace

bool IsEcosystemFile(std::string_view name) {
  const std::string base = fs::path(name).filename().string();
  return HasExtension(base, ".config.js") || HasExtension(base, ".config.cjs") ||
         HasExtension(base, ".config.mjs") || HasExtension(base, ".json") ||
         base == "ecosystem.js" || IsProcfile(base);
}

std::string LocateNodeError(std::string_view said, const std::string& path,
                            const std::string& shown) {
  std::string place = shown;
  for (std::size_t at = said.find(path); at != std::string_view::npos;
       at = said.find(path, at + 1)) {
    std::size_t end = at + path.size();
    const std::size_t begin = end;
    while (end < said.size() && (said[end] == ':' || (said[end] >= '0' && said[end] <= '9'))) ++end;
    std::string where(said.substr(begin, end - begin));
    while (where.ends_with(':')) where.pop_back();
    if (where.size() < 2) continue;
    // The first tells the line; one of the stack may tell the column of the same line.
    if (place == shown) place = shown + where;
    if ((shown + where).starts_with(place + ":")) {
      place = shown + where;
      break;
    }
  }
  std::string message;
  for (std::size_t begin = 0; begin < said.size();) {
    const std::size_t end = std::min(said.find('\n', begin), said.size());
    const std::string_view line = said.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line.front() == ' ') continue;
    const std::size_t error = line.find("Error");
    if (error != std::string_view::npos && line.substr(0, error).find(' ') == line.npos) {
      message = line;
      break;
    }
    if (line.starts_with("Node.js v")) break;
    if (!line.contains(path)) message = line;
  }
  if (message.empty()) message = "node could not evaluate it";
  return place + ": " + message;
}

int Import(const Session& session) {
  const auto wanted = WhatIsWanted(session);
  if (!wanted) return Fail(session, ExitCode::kNotDone, wanted.error().message);
  const auto made = Convert(*wanted);
  if (!made) return FailWithAll(session, wanted->shown, made.error().message);
  if (session.options.out) {
    if (const int code = WriteOut(session, made->text); code != 0) return code;
  } else if (!Write(STDOUT_FILENO, made->text)) {
    return static_cast<int>(ExitCode::kNotDone);
  }
  SayWarnings(*made);
  const auto mistakes = MistakesOf(*made, session, wanted->target + "/Oxfile.toml");
  if (mistakes.empty()) return 0;
  return Fail(session, ExitCode::kNotDone, "the Oxfile is not valid yet; mend it by hand",
              mistakes);
}

std::optional<int> TakeEcosystemFiles(const Session& session, Options& options) {
  std::vector<std::string*> named;
  if (options.oxfile) named.push_back(&*options.oxfile);
  for (std::string& name : options.more_oxfiles) named.push_back(&name);
  for (std::string* name : named) {
    if (!IsEcosystemFile(*name)) continue;
    if (options.verb == Verb::kValidate) {
      return Fail(session, ExitCode::kAskedWrongly,
                  *name + " is no Oxfile; oxherd import " + *name + " prints one for it");
    }
    auto path = MakeOxfile(session, *name);
    if (!path) {
      return FailWithAll(session, *name, path.error().message);
    }
    *name = std::move(*path);
  }
  return std::nullopt;
}

}  // namespace oxherd::cli
