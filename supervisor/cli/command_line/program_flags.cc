#include "cli/command_line/program_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "config/env_file.h"
#include "config/pm2_values.h"
#include "config/toml_text.h"

namespace oxherd::cli {
namespace {

// How what was typed becomes the value of a key.
enum class Kind : std::uint8_t {
  kText,
  kAmount,     // a number, or a text such as "1m30s"
  kCount,      // instances: PM2's 0 and -1 are "max"
  kMegabytes,  // "300M"
  kPath,
  kEach,   // may come several times: an array of numbers and texts
  kFixed,  // takes nothing; the value is `fixed`
};

struct Flag {
  const char* names;  // the last one names it in messages
  const char* key;
  Kind kind;
  const char* type;
  const char* text;
  const char* fixed = "";
};

// The second half are PM2's words.
constexpr auto kFlags = std::to_array<Flag>({
    {"-i,--instances", "instances", Kind::kCount, "N|max", "how many of it"},
    {"--listen", "listen", Kind::kEach, "PORT|ADDRESS|auto",
     "a port that the supervisor owns; reloads lose nothing then"},
    {"--restart", "restart", Kind::kText, "WHEN", "always (default), on-failure or never"},
    {"--max-restarts", "max_restarts", Kind::kAmount, "N", "crashes in a row before it has failed"},
    {"--health-url", "health_check.endpoint", Kind::kText, "URL", "asked again and again"},
    {"--health-cmd", "health_check.command", Kind::kText, "COMMAND", "exits 0 while all is well"},
    {"--stop-signal", "stop_signal", Kind::kText, "SIGNAL", "SIGTERM if not given"},
    {"--stop-timeout,--kill-timeout", "stop_timeout_ms", Kind::kAmount, "TIME",
     "then SIGKILL; 10s if not given"},
    {"--watch", "watch", Kind::kFixed, "", "restart it when files change", "true"},
    {"--watch-ignore,--ignore-watch", "watch_ignore", Kind::kEach, "GLOB",
     "files that do not count"},
    {"--max-memory-restart", "limits.memory_mb", Kind::kMegabytes, "SIZE",
     "replaced when it takes more: 300M"},
    {"--cron-restart,--cron", "cron_restart", Kind::kText, "CRON", "replaced at these times"},
    {"--namespace", "namespace", Kind::kText, "NAME", "what @NAME means"},
    {"--restart-delay", "restart_delay_ms", Kind::kAmount, "TIME", "before the first restart"},
    {"--no-autorestart", "restart", Kind::kFixed, "", "as --restart never", "\"never\""},
    {"--wait-ready", "ready", Kind::kFixed, "", "ready when it says so: process.send('ready')",
     "\"notify\""},
    {"--listen-timeout", "ready_timeout_ms", Kind::kAmount, "TIME",
     "how long it may take for that"},
    {"-o,--output", "log_file", Kind::kPath, "FILE", "where its standard output goes"},
    {"--error", "error_log_file", Kind::kPath, "FILE", "where its standard error goes"},
    {"--log-date-format", "log_date_format", Kind::kText, "FORMAT", "in front of each line"},
    {"--time", "log_date_format", Kind::kFixed, "", "times in front of each line",
     "\"YYYY-MM-DDTHH:mm:ss\""},
});

bool IsWholeNumber(std::string_view text) {
  return !text.empty() && text.size() < 18 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string AmountText(const std::string& typed) {
  return IsWholeNumber(typed) ? typed : TomlString(typed);
}

std::string LongName(std::string_view names) {
  const std::size_t comma = names.starts_with("--") ? names.find(',') : std::string_view::npos;
  if (comma != std::string_view::npos) return std::string(names.substr(0, comma));
  const std::size_t dashes = names.find("--");
  return std::string(names.substr(dashes));
}

std::string ValueFor(const Flag& flag, const std::vector<std::string>& typed) {
  switch (flag.kind) {
    case Kind::kText:
    case Kind::kPath:
      return TomlString(typed.front());
    case Kind::kAmount:
      return AmountText(typed.front());
    case Kind::kCount:
      return typed.front() == "0" || typed.front() == "-1" ? "\"max\"" : AmountText(typed.front());
    case Kind::kMegabytes: {
      const auto megabytes = Pm2Megabytes(Value{{}, typed.front()});
      if (!megabytes) {
        throw CLI::ValidationError(LongName(flag.names),
                                   "\"" + typed.front() + "\" is not a size; write 300M or 1G");
      }
      return std::to_string(*megabytes);
    }
    case Kind::kEach: {
      std::string list;
      if (typed.size() == 1 && flag.key == std::string_view("listen")) return AmountText(typed[0]);
      for (const std::string& each : typed) list += (list.empty() ? "" : ", ") + AmountText(each);
      return "[" + list + "]";
    }
    case Kind::kFixed:
      break;
  }
  return flag.fixed;
}

// The later one of two flags for one key counts.
void Set(ProgramOptions& program, const Flag& flag, std::string value) {
  std::erase_if(program.settings, [&](const auto& setting) { return setting.key == flag.key; });
  program.settings.push_back({LongName(flag.names), flag.key, std::move(value)});
  program.typed_flags.push_back(LongName(flag.names));
  if (flag.kind == Kind::kPath) program.path_keys.emplace_back(flag.key);
}

void AddFlag(CLI::App& app, ProgramOptions& program, const Flag& flag) {
  if (flag.kind == Kind::kFixed) {
    app.add_flag_callback(
        flag.names, [&program, &flag] { Set(program, flag, flag.fixed); }, flag.text);
    return;
  }
  CLI::Option* option = app.add_option_function<std::vector<std::string>>(
      flag.names,
      [&program, &flag](const std::vector<std::string>& typed) {
        Set(program, flag, ValueFor(flag, typed));
      },
      flag.text);
  option->type_name(flag.type)->allow_extra_args(false)->expected(1);
  option->multi_option_policy(flag.kind == Kind::kEach ? CLI::MultiOptionPolicy::TakeAll
                                                       : CLI::MultiOptionPolicy::TakeLast);
}

// `--env NAME=VALUE` is a variable; without "=" a profile, and with `-e` one to copy.
void AddEnvironment(CLI::App& app, Options& options) {
  const auto take = [&options](const char* flag, const std::vector<std::string>& typed) {
    for (const std::string& each : typed) {
      const std::size_t equals = each.find('=');
      const std::string name = each.substr(0, equals);
      const bool is_copied = equals == std::string::npos && std::string_view(flag) == "-e";
      if (equals == std::string::npos && !is_copied) {
        options.profile = each;
        continue;
      }
      if (!IsEnvironmentName(name)) {
        throw CLI::ValidationError(flag, "\"" + name + "\" is not the name of a variable");
      }
      options.program.typed_flags.emplace_back(flag);
      if (is_copied) {
        options.program.copied.push_back(name);
      } else {
        options.program.env.emplace_back(name, each.substr(equals + 1));
      }
    }
  };
  using Each = std::vector<std::string>;
  app.add_option_function<Each>(
         "--env", [take](const Each& typed) { take("--env", typed); },
         "a variable of the program; without \"=\" the profile of an Oxfile's services, "
         "remembered until another one")
      ->type_name("NAME=VALUE|PROFILE")
      ->allow_extra_args(false)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option_function<Each>(
         "-e", [take](const Each& typed) { take("-e", typed); },
         "a variable of the program; without \"=\" as it is here")
      ->type_name("NAME[=VALUE]")
      ->allow_extra_args(false)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace

void AddProgramFlags(CLI::App& app, Options& options) {
  ProgramOptions& program = options.program;
  const auto add_text = [&](const char* names, const char* type, const char* text, auto take) {
    const std::string name = LongName(names);
    app.add_option_function<std::string>(
           names,
           [&program, name, take](const std::string& typed) {
             program.typed_flags.push_back(name);
             take(typed);
           },
           text)
        ->type_name(type);
  };
  add_text("-n,--name", "NAME", "of a program that is typed; its file's stem if not given",
           [&program](const std::string& typed) { program.name = typed; });
  for (const Flag& flag : kFlags) AddFlag(app, program, flag);
  add_text("--cwd", "FOLDER", "where it runs; here if not given",
           [&program](const std::string& typed) { program.folder = typed; });
  add_text("--interpreter", "PROGRAM", "what runs the file",
           [&program](const std::string& typed) { program.interpreter = typed; });
  AddEnvironment(app, options);
  app.add_option_function<std::vector<std::string>>(
         "--env-file",
         [&program](const std::vector<std::string>& typed) {
           program.typed_flags.emplace_back("--env-file");
           program.env_files = typed;
         },
         "KEY=value, one a line")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--replace", program.replace,
               "what runs under this name with other flags is reloaded with these");
}

}  // namespace oxherd::cli
