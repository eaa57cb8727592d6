#include "cli/command_line/program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "cli/commands/commands.h"
#include "cli/commands/import.h"
#include "cli/connection/daemon_start.h"
#include "config/environment.h"
#include "config/nearest.h"
#include "config/program_oxfile.h"
#include "config/text_file.h"
#include "config/toml_text.h"
#include "os/file.h"
#include "os/own_process.h"

namespace oxherd::cli {
namespace {

namespace fs = std::filesystem;
using control::Command;

bool IsOnPath(const std::string& word) {
  if (word.empty() || word.contains('/')) return false;
  const char* const path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string file = std::string(rest.substr(0, colon)) + "/" + word;
    std::error_code error;
    if (::access(file.c_str(), X_OK) == 0 && fs::is_regular_file(file, error)) return true;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return false;
}

WordFacts FactsOf(const std::string& word) {
  std::error_code error;
  return {.is_file = fs::is_regular_file(word, error),
          .is_folder = fs::is_directory(word, error),
          .is_executable = ::access(word.c_str(), X_OK) == 0,
          .is_on_path = IsOnPath(word)};
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// 'as sh wants it', where it must be.
std::string ShellQuoted(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@%+";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

// `; did you mean "server.js"?` of the files in the folder that `word` names.
std::string DidYouMeanFile(const std::string& word) {
  const fs::path path(word);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (names.size() < 1000) names.push_back(at->path().filename().string());
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const auto nearest = Nearest(path.filename().string(), known);
  if (!nearest) return {};
  const std::string file =
      path.has_parent_path() ? (path.parent_path() / *nearest).string() : std::string(*nearest);
  return "; did you mean " + Quoted(file) + "?";
}

// One `start` or `run` of a program.
class Typing {
 public:
  Typing(const Session& session, Options& options)
      : session_(session), options_(options), flags_(options.program) {}

  std::optional<int> Take() {
    if (options_.typed.empty() || (options_.oxfile && !IsForRun())) return RefuseFlags();
    const std::string& word = options_.typed.front();
    if (word.ends_with(".toml") || IsEcosystemFile(word)) return RefuseFlags();
    const bool has_flags = HasFlags();
    if (!has_flags && !IsForRun() && IsKnown(word)) return std::nullopt;
    const Meaning meaning = MeaningOf(word, FactsOf(word), !flags_.interpreter.empty());
    if (!IsProgram(meaning)) return ExplainOtherwise(meaning, word);
    if (options_.typed.size() > 1) return RefuseSeveral();
    if (options_.profile) return RefuseProfile();
    if (!Compose(meaning, word)) return code_;
    if (!IsForRun()) return Keep();
    return WriteForRun();
  }

 private:
  [[nodiscard]] bool IsForRun() const { return options_.verb == Verb::kRun; }
  [[nodiscard]] bool HasFlags() const {
    return !flags_.typed_flags.empty() || !options_.arguments.empty() || flags_.replace;
  }
  int Refuse(const std::string& error) {
    code_ = Fail(session_, ExitCode::kAskedWrongly, error);
    return code_;
  }

  // Flags of a program beside an Oxfile, or beside nothing.
  std::optional<int> RefuseFlags() {
    if (!HasFlags()) return std::nullopt;
    const std::string flag =
        flags_.typed_flags.empty() ? (flags_.replace ? "--replace" : "--") : flags_.typed_flags[0];
    if (options_.oxfile) {
      return Refuse(flag + " goes with a program; of the services in " + *options_.oxfile +
                    " the file says it");
    }
    return Refuse(flag + " goes with a program: oxherd " + std::string(session_.verb()) +
                  " server.js " + (flag == "--" ? "-- ARGUMENTS" : flag + " …"));
  }

  int RefuseProfile() {
    return Refuse("--env " + *options_.profile +
                  " is a profile, which only an Oxfile has; a variable is --env NAME=VALUE, as in "
                  "--env NODE_ENV=" +
                  *options_.profile);
  }

  int RefuseSeveral() {
    return Refuse("one program at a time; its arguments come after --: oxherd " +
                  std::string(session_.verb()) + " " + options_.typed[0] + " -- " +
                  options_.typed[1]);
  }

  // A service of the daemon, or of the Oxfile that is meant here; all, an id, a pattern.
  bool IsKnown(const std::string& word) {
    if (word == "all" || (options_.typed.size() > 1 && !FactsOf(word).is_file)) return true;
    if (IsKnownToDaemon(word)) return true;
    const auto found = WhichOxfile(session_);
    if (!found || !*found) return false;
    const ReadOutcome oxfile = ReadOwnOxfile(session_, (*found)->path);
    // What a broken file defines cannot be told: its mistakes come first.
    if (!oxfile) return !FactsOf(word).is_file && !word.contains(' ');
    return std::ranges::find(oxfile->specs, word, &Spec::name) != oxfile->specs.end();
  }

  bool IsKnownToDaemon(const std::string& word) {
    const auto reply = Ask(session_, Command::kStatus, {word});
    return reply && !reply->details.empty();
  }

  static bool IsProgram(Meaning meaning) {
    return meaning == Meaning::kScript || meaning == Meaning::kExecutable ||
           meaning == Meaning::kLine || meaning == Meaning::kOnPath;
  }

  // It is no program: an Oxfile (run), a service that the daemon knows nothing of, or a mistake.
  std::optional<int> ExplainOtherwise(Meaning meaning, const std::string& word) {
    if (meaning == Meaning::kMissing) {
      const std::string folder = WorkingFolder().value_or("this folder");
      return Refuse("no file " + Quoted(word) + (word.starts_with('/') ? "" : " in " + folder) +
                    DidYouMeanFile(word));
    }
    if (IsForRun()) return RefuseFlags();
    if (meaning == Meaning::kFolder) {
      return Refuse(Quoted(word) + " is a folder; name the program in it");
    }
    if (meaning == Meaning::kNotExecutable) {
      return Refuse(Quoted(word) +
                    " is not executable, and nothing is known that runs it; chmod +x " + word +
                    ", or --interpreter PROGRAM");
    }
    if (HasFlags()) {
      if (IsKnownToDaemon(word)) return RefuseFlagsOfService(word);
      return Refuse("no file and no program on the PATH is called " + Quoted(word) +
                    DidYouMeanFile(word));
    }
    if (DaemonRuns() || HasOxfile()) return std::nullopt;  // the daemon knows the services
    return Refuse("no service " + Quoted(word) +
                  ", no file and no program on the PATH is called so" + DidYouMeanFile(word));
  }

  int RefuseFlagsOfService(const std::string& word) {
    return Refuse(word +
                  " is a service already; what it is told stands in its Oxfile: oxherd "
                  "status " +
                  word);
  }

  bool DaemonRuns() { return Connect(session_.places).has_value(); }
  bool HasOxfile() {
    const auto found = WhichOxfile(session_);
    return found && *found;
  }

  // ---- Its Oxfile. ----

  bool Compose(Meaning meaning, const std::string& word) {
    const auto folder = WorkingFolder();
    if (!folder) {
      code_ = Fail(session_, ExitCode::kNotDone, folder.error().message);
      return false;
    }
    folder_ = *folder;
    program_.folder = Absolute(flags_.folder.value_or("."));
    if (std::error_code error; !fs::is_directory(program_.folder, error)) {
      Refuse("--cwd: there is no folder " + Quoted(program_.folder));
      return false;
    }
    program_.name = flags_.name.value_or(ServiceNameFor(NamingWord(meaning, word)));
    SetCommand(meaning, word);
    for (const std::string& file : flags_.env_files) program_.env_files.push_back(Absolute(file));
    program_.settings = flags_.settings;
    for (ProgramSetting& setting : program_.settings) {
      const bool is_path =
          std::ranges::find(flags_.path_keys, setting.key) != flags_.path_keys.end();
      if (is_path) MakeAbsolute(setting);
    }
    program_.env = flags_.env;
    ShareThePort();
    return CopyVariables() && Check();
  }

  // Several instances of a Node program have one port, as in PM2's cluster mode.
  void ShareThePort() {
    const auto find = [this](std::string_view key) {
      return std::ranges::find(program_.settings, key, &ProgramSetting::key);
    };
    const auto instances = find("instances");
    const bool is_node = !program_.words.empty() && program_.words.front() == "node";
    const bool several = instances != program_.settings.end() && instances->value != "1";
    if (!is_node || !several || find("listen") != program_.settings.end()) return;
    program_.settings.push_back({.flag = "-i", .key = "listen", .value = "\"auto\""});
  }

  [[nodiscard]] std::string Absolute(const std::string& path) const {
    const fs::path absolute = (fs::path(folder_) / path).lexically_normal();
    return (absolute.has_filename() ? absolute : absolute.parent_path()).string();
  }

  // A quoted path, with no more escapes than it has.
  void MakeAbsolute(ProgramSetting& setting) const {
    const std::string path = setting.value.substr(1, setting.value.size() - 2);
    if (!path.starts_with('/')) setting.value = TomlString(Literal(Absolute(path)));
  }

  // `node server.js` is named for the script, `python3 -m http.server` for the program.
  static std::string NamingWord(Meaning meaning, const std::string& word) {
    if (meaning != Meaning::kLine) return word;
    const std::size_t end = std::min(word.find(' '), word.size());
    std::string first = word.substr(0, end);
    const std::size_t next = word.find_first_not_of(' ', end);
    if (next == std::string::npos) return first;
    const std::string second = word.substr(next, word.find(' ', next) - next);
    return InterpreterOf(second).empty() ? first : second;
  }

  void SetCommand(Meaning meaning, const std::string& word) {
    const std::vector<std::string>& arguments = options_.arguments;
    if (meaning == Meaning::kLine) {
      program_.line = word;
      for (const std::string& argument : arguments) program_.line += " " + ShellQuoted(argument);
      return;
    }
    if (!flags_.interpreter.empty() && flags_.interpreter != "none") {
      program_.words = {flags_.interpreter};
    } else if (flags_.interpreter.empty() && meaning == Meaning::kScript) {
      program_.words = InterpreterOf(word);
    }
    const bool is_here = program_.folder == folder_;
    std::string file = is_here || word.starts_with('/') ? word : Absolute(word);
    if (meaning == Meaning::kOnPath) file = word;
    const bool is_bare = !file.contains('/') && meaning != Meaning::kOnPath;
    program_.words.push_back(Literal(program_.words.empty() && is_bare ? "./" + file : file));
    program_.words.insert(program_.words.end(), arguments.begin(), arguments.end());
  }

  bool CopyVariables() {
    for (const std::string& name : flags_.copied) {
      const char* const value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
      if (value == nullptr) {
        Refuse(fmt::format("-e {0}: it is not set here; write -e {0}=VALUE", name));
        return false;
      }
      program_.env.emplace_back(name, Literal(value));
    }
    return true;
  }

  // Nothing is written or started that does not hold; the flag is named, not a line of a file that
  // nobody has written.
  bool Check() {
    ReadOptions reading;
    reading.base_environment = os::OwnEnvironment();
    reading.home_dir = session_.places.home;
    reading.usable_cpus = 1;
    const FileAccess files{.read = ReadTextFile, .is_directory = [](const std::string& path) {
                             std::error_code error;
                             return fs::is_directory(path, error);
                           }};
    const auto read = ParseOxfile(OxfileFor(program_, ""), "program", reading, files);
    if (read) return true;
    const ConfigError& error = read.error().front();
    Refuse(FlagFor(error.key) + ": " + error.message);
    return false;
  }

  [[nodiscard]] std::string FlagFor(std::string_view path) const {
    const std::string prefix = "processes." + program_.name;
    if (path == prefix) return "--name " + program_.name;
    if (!path.starts_with(prefix + ".")) return std::string(path);
    const std::string_view key = path.substr(prefix.size() + 1);
    for (const ProgramSetting& setting : program_.settings) {
      if (key.starts_with(setting.key)) return setting.flag;
    }
    if (key == "working_dir") return "--cwd";
    if (key.starts_with("env_file")) return "--env-file";
    if (key.starts_with("env.")) return "--env " + std::string(key.substr(4));
    return std::string(key);
  }

  // ---- Its place. ----

  [[nodiscard]] std::string Typed() const {
    std::string text =
        "oxherd " + std::string(session_.verb()) + " " + ShellQuoted(options_.typed.front());
    for (const std::string& argument : options_.arguments) {
      text += (&argument == &options_.arguments.front() ? " -- " : " ") + ShellQuoted(argument);
    }
    return text;
  }

  // What the daemon has under the name.
  enum class There { kNothing, kOurs, kOther };
  struct Found {
    There there = There::kNothing;
    bool is_wanted = false;
    std::string oxfile;
  };

  // Nothing: all is said.
  std::optional<Found> FindService() {
    const std::string state = session_.places.state + "/state.json";
    auto connection = Connect(session_.places);
    if (!connection && connection.error().kind == NotConnected::Kind::kNoDaemon) {
      if (options_.dry_run || ::access(state.c_str(), F_OK) != 0) return Found{};
      connection = StartDaemon(session_.places, os::OwnEnvironment());
    }
    if (!connection) {
      code_ = Fail(session_, connection.error());
      return std::nullopt;
    }
    const auto reply = Ask(session_, Command::kStatus, {program_.name});
    if (!reply) {
      code_ = Fail(session_, reply.error());
      return std::nullopt;
    }
    Found found;
    for (const control::ServiceDetail& detail : reply->details) {
      if (detail.name != program_.name) continue;
      found.oxfile = detail.oxfile;
      found.there = detail.oxfile == OxfilePath() ? There::kOurs : There::kOther;
      found.is_wanted = detail.wanted;
    }
    return found;
  }

  [[nodiscard]] std::string Folder() const { return session_.places.typed_programs(); }
  [[nodiscard]] std::string OxfilePath() const { return Folder() + "/" + program_.name + ".toml"; }

  std::optional<int> Keep() {
    const auto found = FindService();
    if (!found) return code_;
    if (found->there == There::kOther) {
      return Refuse(program_.name + " is defined by " + found->oxfile +
                    " already; give this one another name: --name NAME");
    }
    program_.env_files.insert(program_.env_files.begin(), Folder() + "/" + program_.name + ".env");
    const std::string text = OxfileFor(program_, Typed());
    if (found->there == There::kOurs && !flags_.replace) {
      if (const auto code = CompareWithOurs(text, found->is_wanted)) return code;
    } else if (auto written = WriteBoth(text); !written) {
      return Fail(session_, ExitCode::kNotDone, written.error().message);
    }
    if (found->there == There::kOurs && flags_.replace && found->is_wanted) {
      options_.verb = Verb::kReload;
    }
    Name(OxfilePath());
    return std::nullopt;
  }

  // Nothing: it is the same.
  std::optional<int> CompareWithOurs(const std::string& text, bool is_wanted) {
    const auto before = ReadTextFile(OxfilePath());
    const auto changed = before ? ChangedKeys(*before, text)
                                : Result<std::vector<std::string>>(std::vector<std::string>{"all"});
    if (changed && changed->empty()) return std::nullopt;
    const std::string what = changed ? Joined(*changed) : "all";
    return Fail(session_, ExitCode::kNotDone,
                program_.name + (is_wanted ? " runs already" : " is there already") +
                    " with other flags (" + what + "); --replace " +
                    (is_wanted ? "reloads" : "starts") + " it with these, --name NAME starts " +
                    "another one");
  }

  Status WriteBoth(const std::string& text) {
    OXHERD_TRY(MakePlaces(session_.places));
    OXHERD_TRY(os::MakePrivateDirectory(Folder()));
    OXHERD_TRY(os::ReplaceFile(Folder(), program_.name + ".env", EnvFileFor(os::OwnEnvironment())));
    return os::ReplaceFile(Folder(), program_.name + ".toml", text);
  }

  std::optional<int> WriteForRun() {
    const std::string folder = session_.places.state + "/run-program";
    const auto write = [&]() -> Status {
      OXHERD_TRY(MakePlaces(session_.places));
      OXHERD_TRY(os::MakePrivateDirectory(folder));
      return os::ReplaceFile(folder, program_.name + ".toml", OxfileFor(program_, Typed()));
    };
    if (auto written = write(); !written) {
      return Fail(session_, ExitCode::kNotDone, written.error().message);
    }
    Name(folder + "/" + program_.name + ".toml");
    options_.names.clear();
    return std::nullopt;
  }

  void Name(std::string path) {
    options_.oxfile = std::move(path);
    options_.more_oxfiles.clear();
    options_.names = {program_.name};
    options_.is_program = true;
  }

  const Session& session_;
  Options& options_;
  const ProgramOptions& flags_;
  std::string folder_;  // where it was typed
  TypedProgram program_;
  int code_ = 0;
};

}  // namespace

Meaning MeaningOf(const std::string& word, const WordFacts& facts, bool has_interpreter) {
  const bool is_script = !InterpreterOf(word).empty();
  if (facts.is_file) {
    if (is_script || has_interpreter) return Meaning::kScript;
    return facts.is_executable ? Meaning::kExecutable : Meaning::kNotExecutable;
  }
  if (word.contains(' ')) return Meaning::kLine;
  if (facts.is_on_path) return Meaning::kOnPath;
  if (facts.is_folder) return Meaning::kFolder;
  const bool is_pattern = word.size() > 2 && word.starts_with('/') && word.ends_with('/');
  const bool is_path = word.contains('/') && !is_pattern &&
                       word.find_first_not_of("0123456789", word.rfind('/') + 1) != word.npos;
  return is_script || is_path ? Meaning::kMissing : Meaning::kService;
}

std::optional<int> TakeProgram(const Session& session, Options& options) {
  if (options.verb != Verb::kStart && options.verb != Verb::kRun) return std::nullopt;
  return Typing(session, options).Take();
}

void ForgetPrograms(const Places& places, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name.contains('/')) continue;
    ::unlink((places.typed_programs() + "/" + name + ".toml").c_str());
    ::unlink((places.typed_programs() + "/" + name + ".env").c_str());
  }
}

}  // namespace oxherd::cli
