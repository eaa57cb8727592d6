#include "cli/logs/logs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "base/number.h"
#include "cli/logs/view.h"
#include "cli/render/result.h"
#include "os/log_index.h"

namespace oxherd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kLinesUnlessSaid = 15;

Result<LogFilter> FilterOf(const LogOptions& options) {
  LogFilter filter;
  if (!options.pattern.empty()) {
    OXHERD_TRY_ASSIGN(filter.pattern, LinePattern::Make(options.pattern));
  }
  if (!options.level.empty()) {
    filter.least = LevelFromName(options.level);
    if (!filter.least) {
      return MakeError("--level: \"" + options.level +
                       "\" is none of trace, debug, info, warn, error, fatal");
    }
  }
  if (options.since) filter.since = std::chrono::system_clock::now() - *options.since;
  return filter;
}

// "2.out.log" -> 2
std::optional<SlotIndex> SlotInName(const std::string& file) {
  const auto dot = file.find('.');
  if (dot == std::string::npos) return std::nullopt;
  const std::string_view rest = std::string_view(file).substr(dot);
  if (rest != ".out.log" && rest != ".err.log") return std::nullopt;
  return ParseNumber<SlotIndex>(file.substr(0, dot));
}

bool IsMeant(const InstanceId& instance, const std::vector<std::string>& names) {
  return names.empty() || std::ranges::any_of(names, [&](const std::string& name) {
           return name == "all" || name == instance.service || name == instance.Text() ||
                  name == instance.service + ":" + std::to_string(instance.slot);
         });
}

// Whose end of a pipe it is, so that `logs -f | head` ends; -1 for anything else.
int WhoseReaderMayGo() {
  struct stat status{};
  return fstat(STDOUT_FILENO, &status) == 0 && S_ISFIFO(status.st_mode) ? STDOUT_FILENO : -1;
}

LineStyle StyleOf(const Session& session) {
  LineStyle style;
  style.form = session.options.logs.raw ? LineStyle::Form::kRaw : LineStyle::Form::kText;
  if (session.options.json) style.form = LineStyle::Form::kJson;
  style.utc = session.options.logs.utc;
  style.screen = session.screen;
  style.now = std::chrono::system_clock::now();
  return style;
}

void Say(const std::string& note) { Write(STDERR_FILENO, "oxherd: " + Clean(note) + "\n"); }

// Says what stood in the way of a log, unless it only is not there yet.
void SayProblems(const std::vector<LogSource>& sources) {
  for (const LogSource& source : sources) {
    const auto reader = os::LogReader::Open(source.files.path());
    if (!reader && reader.error().number != ENOENT) Say(reader.error().message);
  }
}

int Show(const Session& session, std::vector<LogSource> sources, LogFilter filter) {
  const LogOptions& options = session.options.logs;
  SayProblems(sources);
  std::optional<std::uint32_t> lines = options.lines;
  if (!lines && !filter.since) lines = kLinesUnlessSaid;
  const bool filters = filter.pattern || filter.least || filter.since;
  LogView view(std::move(sources), std::move(filter), StyleOf(session),
               [](std::string_view text) { return Write(STDOUT_FILENO, text); });
  const auto then = options.follow ? LogView::Then::kComing : LogView::Then::kEnd;
  const bool read = view.ShowLast(lines, then);
  for (const std::string& note : view.notes()) Say(note);
  if (!read) return 0;  // whoever reads us has had enough
  if (!options.follow) {
    if (view.shown() == 0 && lines != 0U) Say(filters ? "no line matches" : "nothing printed yet");
    return 0;
  }
  if (auto followed = view.Follow(WhoseReaderMayGo()); !followed) {
    return Fail(session, ExitCode::kNotDone, followed.error().message);
  }
  return 0;
}

}  // namespace

std::vector<LogSource> SourcesOf(const std::vector<control::Row>& rows, const LogOptions& options) {
  std::map<std::string, int> uses;  // of a path, by how many instances
  for (const control::Row& row : rows) {
    ++uses[row.out_log];
    if (row.err_log != row.out_log) ++uses[row.err_log];
  }
  std::set<std::string> seen;
  std::vector<LogSource> sources;
  const auto add = [&](const control::Row& row, const std::string& path, os::LogStream stream) {
    if (path.empty()) return;
    LogSource source{.name = row.name(), .stream = stream, .owner = {}, .files = LogFiles(path)};
    source.owner = {.service = os::ServiceMark(row.service), .slot = row.slot};
    source.owner.is_shared = uses[path] > 1;
    // Of several, the first is shown with the lines of which nobody knows whose they are.
    source.owner.takes_unknown = seen.insert(path).second;
    sources.push_back(std::move(source));
  };
  for (const control::Row& row : rows) {
    const bool merged = row.out_log == row.err_log;
    if (merged || !options.only_err) add(row, row.out_log, os::LogStream::kOut);
    if (!merged && !options.only_out) add(row, row.err_log, os::LogStream::kErr);
  }
  return sources;
}

std::vector<control::Row> RowsInFolder(const std::string& logs_folder,
                                       const std::vector<std::string>& names) {
  std::set<InstanceId> instances;
  std::error_code ignored;
  for (const auto& service : fs::directory_iterator(logs_folder, ignored)) {
    if (!service.is_directory(ignored)) continue;
    for (const auto& file : fs::directory_iterator(service.path(), ignored)) {
      const auto slot = SlotInName(file.path().filename().string());
      if (!slot) continue;
      InstanceId instance{service.path().filename().string(), *slot};
      if (IsMeant(instance, names)) instances.insert(std::move(instance));
    }
  }
  std::vector<control::Row> rows;
  for (const InstanceId& instance : instances) {
    control::Row row;
    row.service = instance.service;
    row.slot = instance.slot;
    row.out_log = os::DefaultLogPath(logs_folder, instance, os::LogStream::kOut);
    row.err_log = os::DefaultLogPath(logs_folder, instance, os::LogStream::kErr);
    rows.push_back(std::move(row));
  }
  return rows;
}

int ShowLogs(const Session& session) {
  auto filter = FilterOf(session.options.logs);
  if (!filter) return Fail(session, ExitCode::kAskedWrongly, filter.error().message);
  const std::vector<std::string>& names = session.options.names;
  auto reply = Ask(session, control::Command::kLogs, names);
  std::vector<control::Row> rows;
  if (reply) {
    WarnOfVersion(*reply);
    if (!reply->ok()) {
      if (session.options.json) return PrintJson(*reply, session.verb());
      Write(STDERR_FILENO, RenderError(*reply));
      return static_cast<int>(reply->code);
    }
    rows = std::move(reply->instances);
  } else if (reply.error().kind == NotConnected::Kind::kNoDaemon) {
    rows = RowsInFolder(session.places.logs, names);
    if (rows.empty()) return Fail(session, reply.error());
    Say("no daemon runs; these are the logs in " + session.places.logs);
  } else {
    return Fail(session, reply.error());
  }
  const auto has_file = [](const control::Row& row) {
    return !row.out_log.empty() || !row.err_log.empty();
  };
  if (!rows.empty() && std::ranges::none_of(rows, has_file)) {
    return Fail(
        session, ExitCode::kNotDone,
        "what these print is in no file: oxherd run passes it on to its own output, and log_to "
        "sends it elsewhere (\"journal\": journalctl -t NAME); "
        "log_file = \"app.log\" in the Oxfile writes one");
  }
  return Show(session, SourcesOf(rows, session.options.logs), std::move(*filter));
}

}  // namespace oxherd::cli
