#include "cli/command_line/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <utility>

#include "cli/command_line/pm2_flags.h"
#include "cli/command_line/program_flags.h"
#include "cli/command_line/verbs.h"
#include "cli/commands/import.h"
#include "config/nearest.h"
#include "config/quantity.h"

namespace oxherd::cli {
namespace {

NotOptions AskedWrongly(std::string_view text) {
  return NotOptions{2, fmt::format("oxherd: {}\n", text)};
}

// Splits the words at the verb, so that `oxherd -c FILE list` and `oxherd list -c FILE` are the
// same.
struct Split {
  std::string verb;
  std::vector<std::string> rest;
};

bool TakesValue(const std::string& word) { return word == "-c" || word == "--config"; }

// The first word of verbs that have two.
bool IsGroup(std::string_view word) { return word == "daemon" || word == "service"; }

Split SplitAtVerb(std::span<const std::string> words) {
  Split split;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!split.verb.empty() || words[i].starts_with('-')) {
      split.rest.push_back(words[i]);
      if (split.verb.empty() && TakesValue(words[i]) && i + 1 < words.size()) {
        split.rest.push_back(words[++i]);
      }
      continue;
    }
    split.verb = words[i];
    if (IsGroup(split.verb) && i + 1 < words.size() && !words[i + 1].starts_with('-')) {
      split.verb += " " + words[++i];
    }
  }
  return split;
}

NotOptions UnknownVerb(const std::string& typed) {
  if (IsGroup(typed)) {
    std::string words;
    for (const VerbEntry& entry : Verbs()) {
      if (!entry.name.starts_with(typed + " ")) continue;
      words += (words.empty() ? "" : ", ") + std::string(entry.name.substr(typed.size() + 1));
    }
    return AskedWrongly(fmt::format("{0} needs one of {1}: oxherd {0} status", typed, words));
  }
  std::vector<std::string_view> known;
  for (const VerbEntry& entry : Verbs()) {
    known.push_back(entry.name);
    for (const std::string_view alias : entry.aliases) {
      if (alias.size() > 2) known.push_back(alias);
    }
  }
  if (const auto nearest = Nearest(typed, known)) {
    return AskedWrongly(fmt::format(
        "no command \"{}\"; did you mean \"{}\"? oxherd --help lists them", typed, *nearest));
  }
  return AskedWrongly(fmt::format("no command \"{}\"; oxherd --help lists them", typed));
}

// A duration, read where CLI11 would read a string.
CLI::Option* AddDuration(CLI::App& app, const std::string& names, std::optional<Millis>& value,
                         const std::string& text) {
  return app
      .add_option_function<std::string>(
          names,
          [&value, names](const std::string& typed) {
            value = ParseDuration(typed);
            if (!value) {
              throw CLI::ValidationError(
                  names, fmt::format("\"{}\" is not a duration; write 500ms, 30s or 1m30s", typed));
            }
          },
          text)
      ->type_name("TIME");
}

void AddUntil(CLI::App& app, control::Until& until) {
  app.add_option_function<std::string>(
         "--for",
         [&until](const std::string& typed) {
           const auto known = control::UntilFromName(typed);
           if (!known) {
             throw CLI::ValidationError(
                 "--for", fmt::format("\"{}\" is none of ready, healthy, done", typed));
           }
           until = *known;
         },
         "ready (default), healthy or done")
      ->type_name("STATE");
}

void AddLogFlags(CLI::App& app, LogOptions& logs, bool of_services) {
  app.add_flag("-f,--follow", logs.follow, "go on with what is printed from now on");
  app.add_option("-n,--lines", logs.lines, "how many lines of each; 15 if not given")
      ->type_name("N")
      ->check(CLI::Range(0U, 10'000'000U));
  if (!of_services) return;
  CLI::Option* err = app.add_flag("--err", logs.only_err, "standard error only");
  app.add_flag("--out", logs.only_out, "standard output only")->excludes(err);
  AddDuration(app, "--since", logs.since, "only what is younger: 10m, 2h");
  app.add_option("--grep", logs.pattern, "only lines that match this regular expression")
      ->type_name("RE");
  app.add_option("--level", logs.level, "only lines at least so serious: debug, info, warn, error")
      ->type_name("LEVEL");
  app.add_flag("--utc", logs.utc, "times in UTC");
  app.add_flag("--raw", logs.raw, "the bytes as they were printed, without time and name");
}

// `--only` alone says it of the names that are typed anyway.
constexpr const char* kOnlyAlone = "--only=,";

void AddOnly(CLI::App& app, Options& options) {
  app.add_option_function<std::string>(
         "--only",
         [&options](const std::string& list) {
           options.only = true;
           for (std::size_t begin = 0; begin <= list.size();) {
             const std::size_t end = std::min(list.find(',', begin), list.size());
             if (end > begin) options.only_names.push_back(list.substr(begin, end - begin));
             begin = end + 1;
           }
         },
         "these services, and not what they depend on")
      ->type_name("[NAME,...]");
}

void AddProfile(CLI::App& app, Options& options) {
  app.add_option_function<std::string>(
         "--env",
         [&options](const std::string& name) {
           if (name.contains('=')) {
             throw CLI::ValidationError(
                 "--env", "a variable goes into the Oxfile's env; without \"=\" it is a profile");
           }
           options.profile = name;
         },
         "the profile [processes.NAME.profiles.PROFILE]; remembered until another one; '' for none")
      ->type_name("PROFILE");
}

void AddFlags(CLI::App& app, std::uint32_t takes, Options& options) {
  if ((takes & kNoWait) != 0) {
    app.add_flag("--no-wait", options.no_wait, "return as soon as it is accepted");
  }
  if ((takes & kDryRun) != 0) {
    app.add_flag("--dry-run", options.dry_run, "print what would be done, do nothing");
  }
  if ((takes & kOnly) != 0) AddOnly(app, options);
  if ((takes & kProgram) != 0) {
    AddProgramFlags(app, options);
  } else if ((takes & kProfile) != 0) {
    AddProfile(app, options);
  }
  if ((takes & kDependents) != 0) {
    app.add_flag("--with-dependents", options.with_dependents, "also what depends on it");
  }
  if ((takes & kForce) != 0) {
    app.add_flag("--force", options.forced, "SIGKILL at once, without the stop signal");
  }
  if ((takes & kUpdateEnv) != 0) {
    app.add_flag("--update-env", options.update_env, "take PATH from this shell");
  }
  if ((takes & kRunFlags) != 0) {
    app.add_flag("--keep-going", options.keep_going,
                 "a service that has failed for good does not end the others");
    app.add_option("--exit-with", options.exit_with,
                   "end when this service ends, with its exit code")
        ->type_name("NAME");
  }
  if ((takes & kWatch) != 0) {
    app.add_flag("-w,--watch", options.watches, "again every second, until Ctrl-C; see also top");
  }
  if ((takes & kReveal) != 0) {
    app.add_flag("--reveal", options.reveal, "secrets too");
  }
  if ((takes & kPrune) != 0) {
    app.add_flag("--prune", options.prune, "delete what was defined there once and is no longer");
  }
  if ((takes & kTo) != 0) {
    app.add_option_function<std::uint32_t>(
           "--to", [&options](std::uint32_t number) { options.to = Generation(number); },
           "a generation; else the last one that was ready and is another")
        ->type_name("GENERATION")
        ->check(CLI::PositiveNumber);
  }
  if ((takes & kKeep) != 0) {
    app.add_flag("--keep", options.keep_instances, "leave the instances running");
  }
}

void AddInstanceFlags(CLI::App& app, Options& options) {
  const auto add = [&](const char* name, Options::OfInstance meant, const char* text) {
    return app.add_flag_callback(name, [&options, meant] { options.of_instance = meant; }, text);
  };
  using Of = Options::OfInstance;
  CLI::Option* drain = add("--drain", Of::kDrain, "no new clients; those that it has are finished");
  CLI::Option* resume = add("--resume", Of::kResume, "new clients again");
  CLI::Option* restart = add("--restart", Of::kRestart,
                             "a new one in its place, as it was defined when it was started");
  resume->excludes(drain);
  restart->excludes(drain)->excludes(resume);
  app.add_flag("--force", options.forced, "--drain: also the last one that serves");
}

// `oxherd instance api 0` is api/0.
std::optional<NotOptions> TakeInstance(Options& options) {
  if (options.of_instance == Options::OfInstance::kNotSaid) {
    return AskedWrongly(
        "instance wants --drain, --resume or --restart: oxherd instance api 0 --drain");
  }
  std::vector<std::string>& names = options.names;
  const auto is_number = [](const std::string& word) {
    return !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
  };
  if (names.size() == 2 && is_number(names[1])) names = {names[0] + "/" + names[1]};
  if (names.size() == 1) return std::nullopt;
  return AskedWrongly("instance wants a name and a number: oxherd instance api 0 --drain");
}

// `oxherd scale api 3`, `+1` or `-1`: takes the number out of the words, as CLI11 would take the
// last for an option.
std::optional<NotOptions> TakeCount(std::vector<std::string>& words, Options& options) {
  const auto is_count = [](const std::string& word) {
    const bool is_signed = word.starts_with('+') || word.starts_with('-');
    const std::string_view digits = std::string_view(word).substr(is_signed ? 1 : 0);
    return !digits.empty() && digits.size() <= 4 &&
           digits.find_first_not_of("0123456789") == std::string_view::npos;
  };
  const auto last = std::ranges::find_if(words.rbegin(), words.rend(), is_count);
  if (last == words.rend()) {
    return AskedWrongly("scale wants a name and a number: oxherd scale api 3, or +1, or -1");
  }
  options.is_count_relative = last->starts_with('+') || last->starts_with('-');
  const bool is_less = last->starts_with('-');
  options.count = std::stoi(last->substr(options.is_count_relative ? 1 : 0));
  if (is_less) options.count = -options.count;
  words.erase(std::next(last).base());
  if (options.is_count_relative || options.count > 0) return std::nullopt;
  return AskedWrongly("scale wants at least 1; oxherd stop takes all of them down");
}

bool AsksForHelp(std::span<const std::string> words) {
  return std::ranges::any_of(
      words, [](const std::string& word) { return word == "-h" || word == "--help"; });
}

void AddOptions(CLI::App& app, const VerbEntry& entry, Options& options) {
  const std::uint32_t takes = entry.takes;
  app.add_option("-c,--config", options.oxfile, "the Oxfile, instead of the one found from here")
      ->type_name("FILE");
  app.add_flag("--json", options.json, "one JSON object at the end");
  if ((takes & (kNames | kName)) != 0) {
    CLI::Option* names =
        app.add_option("NAME", options.names,
                       (takes & kProgram) != 0 ? "services, instances (api/0) or all; or a program"
                                               : "services, instances (api/0) or all");
    if ((takes & kName) != 0) names->required();
  }
  if ((takes & kFiles) != 0) {
    app.add_option("FILE", options.names,
                   (takes & kProgram) != 0 ? "Oxfiles; or a program" : "Oxfiles");
  }
  if ((takes & kSource) != 0) {
    app.add_option("FILE", options.names,
                   "ecosystem.config.js or .json, pm2 for its dump, or a Procfile")
        ->required()
        ->expected(1);
    app.add_option("--out", options.out, "write it there instead of printing it")
        ->type_name("FILE");
  }
  AddFlags(app, takes, options);
  if ((takes & kOfInstance) != 0) AddInstanceFlags(app, options);
  if ((takes & kUserManager) != 0) {
    app.add_flag("--user", options.of_user_manager, "your own service manager, without root");
  }
  if ((takes & kForUser) != 0) {
    app.add_option("-u,--for-user", options.user, "another user, as root")->type_name("USER");
  }
  if ((takes & kShell) != 0) {
    app.add_option("SHELL", options.names, "bash, zsh or fish")->expected(0, 1);
  }
  if ((takes & kParallel) != 0) {
    app.add_option("--parallel", options.parallel, "services at a time")
        ->type_name("N")
        ->check(CLI::Range(1, 1000));
  }
  if ((takes & kFor) != 0) AddUntil(app, options.until);
  if ((takes & kTimeout) != 0) {
    AddDuration(app, "--timeout", options.timeout, "how long to wait for the end of it");
  }
  if ((takes & kLogFlags) != 0) AddLogFlags(app, options.logs, true);
  if ((takes & kFollowFlags) != 0) AddLogFlags(app, options.logs, false);
}

// "--nope" and the known option nearest to it.
NotOptions UnknownOption(const CLI::App& app, const VerbEntry& entry,
                         std::span<const std::string> words) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  for (const std::string& word : words) {
    const std::string flag = word.substr(0, word.find('='));
    if (!flag.starts_with('-') || std::ranges::find(known, flag) != known.end()) continue;
    if (flag.size() == 2 && app.get_option_no_throw(flag) != nullptr) continue;
    if (const auto instead = InsteadOfPm2Flag(flag)) {
      return AskedWrongly(fmt::format("pm2's {} has no equivalent here: {}", flag, *instead));
    }
    const auto nearest = Nearest(flag, candidates);
    return AskedWrongly(
        fmt::format("{} has no option {}{} oxherd {} --help lists them", entry.name, flag,
                    nearest ? fmt::format("; did you mean {}?", *nearest) : ";", entry.name));
  }
  const std::string last = words.empty() ? "" : words.back();
  return AskedWrongly(
      fmt::format("{} does not take \"{}\"; see oxherd {} --help", entry.name, last, entry.name));
}

std::string OneLine(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

std::expected<Options, NotOptions> ParseVerb(const VerbEntry& entry,
                                             std::vector<std::string> words) {
  Options options;
  options.verb = entry.verb;
  if (entry.verb == Verb::kScale && !AsksForHelp(words)) {
    if (auto wrong = TakeCount(words, options)) return std::unexpected(std::move(*wrong));
  }
  if ((entry.takes & kArguments) != 0) {
    const auto end = std::ranges::find(words, "--");
    if (end != words.end()) options.arguments.assign(end + 1, words.end());
    words.erase(end, words.end());
  }
  CLI::App app(std::string(entry.summary), "oxherd " + std::string(entry.name));
  AddOptions(app, entry, options);
  // CLI11 takes the arguments from the end.
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool alone = i + 1 == words.size() || words[i + 1].starts_with('-');
    if (words[i] == "--only" && alone) reversed[words.size() - 1 - i] = kOnlyAlone;
  }
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return std::unexpected(NotOptions{0, app.help()});
  } catch (const CLI::ExtrasError&) {
    return std::unexpected(UnknownOption(app, entry, words));
  } catch (const CLI::RequiredError&) {
    if (entry.verb == Verb::kImport) {
      return std::unexpected(
          AskedWrongly("import needs a FILE, or pm2 for what pm2 save wrote: oxherd import "
                       "ecosystem.config.js"));
    }
    return std::unexpected(
        AskedWrongly(fmt::format("{} needs a NAME: oxherd {} api{}", entry.name, entry.name,
                                 entry.verb == Verb::kDelete ? ", or oxherd delete all" : "")));
  } catch (const CLI::ParseError& error) {
    return std::unexpected(AskedWrongly(fmt::format("{}: {}", entry.name, OneLine(error.what()))));
  }
  if (entry.verb == Verb::kInstance) {
    if (auto wrong = TakeInstance(options)) return std::unexpected(std::move(*wrong));
  }
  return options;
}

// Names that are files are what -c would have named.
void TakeFilesAsOxfiles(Options& options) {
  options.typed = options.names;
  const bool only_files =
      options.verb == Verb::kApply || options.verb == Verb::kRun || options.verb == Verb::kValidate;
  const bool may_be_file = options.verb == Verb::kStart || options.verb == Verb::kReload ||
                           options.verb == Verb::kRestart;
  std::vector<std::string> names;
  for (std::string& name : options.names) {
    const bool is_file = name.ends_with(".toml") || IsEcosystemFile(name);
    if (!only_files && !(may_be_file && is_file)) {
      names.push_back(std::move(name));
    } else if (!options.oxfile) {
      options.oxfile = std::move(name);
    } else {
      options.more_oxfiles.push_back(std::move(name));
    }
  }
  for (std::string& name : options.only_names) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  options.names = std::move(names);
}

}  // namespace

std::expected<Options, NotOptions> ParseWords(std::span<const std::string> words) {
  const Split split = SplitAtVerb(words);
  if (split.verb.empty() || split.verb == "help") {
    if (AsksForHelp(split.rest) || split.verb == "help") {
      return std::unexpected(NotOptions{0, HelpText()});
    }
    if (std::ranges::find(split.rest, "--version") != split.rest.end()) {
      return ParseVerb(*FindVerb("version"), {});
    }
    // `oxherd` alone, with nothing but the options that every command takes.
    auto options = ParseVerb(*FindVerb("ping"), split.rest);
    if (options) options->verb = Verb::kGreeting;
    return options;
  }
  // `start --foreground` is what others call `run`.
  std::vector<std::string> rest = split.rest;
  const auto its_own = std::ranges::find(rest, "--");
  const auto foreground = std::find(rest.begin(), its_own, "--foreground");
  const bool is_run = split.verb == "start" && foreground != its_own;
  if (is_run) rest.erase(foreground);
  const VerbEntry* entry = FindVerb(is_run ? "run" : split.verb);
  if (entry == nullptr) return std::unexpected(UnknownVerb(split.verb));
  auto options = ParseVerb(*entry, std::move(rest));
  if (options) {
    TakeFilesAsOxfiles(*options);
    if (!options->json) options->pm2_list = Pm2FormOf(split.verb);
  }
  return options;
}

std::vector<std::string> FlagsOf(const VerbEntry& entry) {
  Options options;
  CLI::App app;
  AddOptions(app, entry, options);
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_snames()) flags.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

}  // namespace oxherd::cli
