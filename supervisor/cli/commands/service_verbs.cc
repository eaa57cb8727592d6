// What is asked of, or done with, single services: env, exec, signal, export, flush.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/signals.h"
#include "cli/commands/commands.h"
#include "cli/connection/exchange.h"
#include "cli/render/result.h"
#include "config/export_service.h"
#include "config/nearest.h"
#include "config/text_file.h"
#include "os/become.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/log_index.h"

namespace oxherd::cli {
namespace {

namespace fs = std::filesystem;
using control::Command;

control::Request RequestFor(Command command, std::vector<std::string> names) {
  control::Request request;
  request.command = command;
  request.names = std::move(names);
  return request;
}

int ShowError(const Session& session, const Reply& reply) {
  if (session.options.json) return PrintJson(reply, session.verb());
  Write(STDERR_FILENO, RenderError(reply));
  return static_cast<int>(reply.code);
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string SignalWords(const std::string& typed) {
  const auto known =
      std::to_array<std::string_view>({"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1",
                                       "SIGUSR2", "SIGWINCH", "SIGKILL", "SIGSTOP", "SIGCONT"});
  const auto nearest = Nearest(typed, known);
  return "\"" + typed + "\" is not a signal" +
         (nearest ? "; did you mean " + std::string(*nearest) + "?" : "") +
         ": oxherd signal SIGHUP api";
}

// A rotated log of `path`: "x.log.3", its index, and what is compressed, or half so.
bool IsRotated(const std::string& name, const std::string& log) {
  if (!name.starts_with(log + ".")) return false;
  const std::string rest = name.substr(log.size() + 1);
  if (rest == "gz.part") return true;
  const std::size_t digits = rest.find_first_not_of("0123456789");
  const std::string_view end =
      digits == std::string::npos ? "" : std::string_view(rest).substr(digits);
  return digits != 0 && (end.empty() || end == ".idx" || end == ".gz");
}

// Empties the log, and removes the rotated ones. What is being written goes on at the new end.
Status Flush(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) {
    if (errno == ENOENT) return {};
    return ErrnoError("open \"" + path + "\"");
  }
  const os::Fd owned(file);
  if (::ftruncate(file, 0) != 0) return ErrnoError("empty \"" + path + "\"");
  const fs::path log(path);
  std::error_code error;
  for (fs::directory_iterator at(log.parent_path(), error), end; !error && at != end;
       at.increment(error)) {
    if (IsRotated(at->path().filename().string(), log.filename().string())) {
      ::unlink(at->path().c_str());
    }
  }
  return {};
}

}  // namespace

int ShowEnvironment(const Session& session) {
  control::Request request = RequestFor(Command::kEnvironment, session.options.names);
  request.reveal = session.options.reveal;
  auto reply = Ask(session, std::move(request));
  if (!reply) return Fail(session, reply.error());
  if (session.options.json || !reply->ok()) return ShowError(session, *reply);
  std::string text;
  std::size_t hidden = 0;
  for (const control::ServiceEnvironment& environment : reply->environments) {
    if (reply->environments.size() > 1) {
      text += (text.empty() ? "" : "\n") + ("# " + Clean(environment.service)) + "\n";
    }
    for (const auto& variable : environment.variables) {
      if (variable.hidden) ++hidden;
      text +=
          Clean(variable.name) + "=" + (variable.hidden ? "••••••" : Clean(variable.value)) + "\n";
    }
  }
  if (!Write(STDOUT_FILENO, text)) return static_cast<int>(ExitCode::kNotDone);
  if (hidden > 0) {
    Write(STDERR_FILENO, std::to_string(hidden) + (hidden == 1 ? " value looks" : " values look") +
                             " secret and " + (hidden == 1 ? "is" : "are") +
                             " hidden: --reveal shows all\n");
  }
  return 0;
}

int Execute(const Session& session) {
  const Options& options = session.options;
  std::vector<std::string> words = options.arguments;
  words.insert(words.begin(), options.names.begin() + 1, options.names.end());
  if (words.empty()) {
    return Fail(session, ExitCode::kAskedWrongly,
                "exec wants a command: oxherd exec " + options.names.front() + " -- COMMAND");
  }
  control::Request request = RequestFor(Command::kEnvironment, {options.names.front()});
  request.reveal = true;
  auto reply = Ask(session, std::move(request));
  if (!reply) return Fail(session, reply.error());
  if (!reply->ok()) return ShowError(session, *reply);
  if (reply->environments.size() != 1) {
    return Fail(session, ExitCode::kAskedWrongly,
                options.names.front() + " is more than one service; exec wants one");
  }
  const control::ServiceEnvironment& service = reply->environments.front();
  os::Becoming becoming{
      .words = words, .environment = {}, .folder = service.folder, .identity = {}};
  for (const auto& variable : service.variables) {
    becoming.environment.push_back(variable.name + "=" + variable.value);
  }
  if (const auto& run_as = service.run_as) {
    becoming.identity = {.uid = run_as->uid, .gid = run_as->gid, .groups = run_as->groups};
  }
  const Error failed = os::BecomeProgram(becoming);
  return Fail(session, ExitCode::kNotDone, "exec in " + service.service + ": " + failed.message);
}

int SendSignal(const Session& session) {
  const auto& typed = session.options.names;
  const auto number = SignalNumber(typed.front());
  if (!number || *number <= 0) {
    return Fail(session, ExitCode::kAskedWrongly, SignalWords(typed.front()));
  }
  if (typed.size() < 2) {
    return Fail(session, ExitCode::kAskedWrongly,
                "signal wants a name too: oxherd signal " + typed.front() + " api, or all");
  }
  control::Request request = RequestFor(Command::kSignal, {typed.begin() + 1, typed.end()});
  request.signal = static_cast<std::uint8_t>(*number);
  auto reply = Ask(session, std::move(request));
  if (!reply) return Fail(session, reply.error());
  if (session.options.json || !reply->ok()) return ShowError(session, *reply);
  std::vector<std::string> names;
  for (const control::Row& row : reply->instances) names.push_back(Clean(row.name()));
  Write(STDOUT_FILENO, SignalName(*number) + " sent to " + Joined(names) + "\n");
  return 0;
}

int Export(const Session& session) {
  auto reply = Ask(session, RequestFor(Command::kStatus, session.options.names));
  if (!reply) return Fail(session, reply.error());
  if (reply->code == ExitCode::kAskedWrongly) return ShowError(session, *reply);
  std::vector<std::string> files;
  for (const control::ServiceDetail& detail : reply->details) {
    if (std::ranges::find(files, detail.oxfile) == files.end()) files.push_back(detail.oxfile);
  }
  std::string text;
  for (const std::string& file : files) {
    std::vector<std::string> names;
    for (const control::ServiceDetail& detail : reply->details) {
      const bool is_there = std::ranges::find(names, detail.name) != names.end();
      if (detail.oxfile == file && !is_there) names.push_back(detail.name);
    }
    const auto read = ReadTextFile(file);
    if (!read) return Fail(session, ExitCode::kNotDone, file + ": " + read.error().message);
    const auto exported = ExportServices(*read, fs::path(file).parent_path().string(), names);
    if (!exported) return Fail(session, ExitCode::kNotDone, file + ": " + exported.error().message);
    text += (text.empty() ? "" : "\n") + ("# From " + Clean(file) + "\n") + *exported;
  }
  return Write(STDOUT_FILENO, text) ? 0 : static_cast<int>(ExitCode::kNotDone);
}

int FlushLogs(const Session& session) {
  auto reply = Ask(session, RequestFor(Command::kLogs, session.options.names));
  if (!reply) return Fail(session, reply.error());
  if (!reply->ok()) return ShowError(session, *reply);
  std::vector<std::string> paths;
  std::vector<std::string> names;
  for (const control::Row& row : reply->instances) {
    names.push_back(Clean(row.name()));
    for (const std::string& path : {row.out_log, row.err_log}) {
      const bool is_file = !path.empty() && path != "/dev/null";
      if (is_file && std::ranges::find(paths, path) == paths.end()) paths.push_back(path);
    }
  }
  for (const std::string& path : paths) {
    if (const Status flushed = Flush(path); !flushed) {
      return Fail(session, ExitCode::kNotDone, flushed.error().message);
    }
  }
  Reply done;
  done.notes.push_back("the logs of " + Joined(names) + " are empty");
  if (session.options.json) return PrintJson(done, session.verb());
  Write(STDOUT_FILENO, done.notes.front() + "\n");
  return 0;
}

}  // namespace oxherd::cli
