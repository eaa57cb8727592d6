// `oxherd events`: the journal of what has happened, read where the daemon writes it.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <expected>

#include "cli/commands/commands.h"
#include "control/event_record.h"
#include "os/file.h"
#include "os/folder_watch.h"

namespace oxherd::cli {
namespace {

using control::EventRecord;

constexpr std::size_t kMostBytes = 16UL * 1024 * 1024;
constexpr std::uint32_t kLinesUnlessSaid = 20;

using Names = std::vector<std::string>;

// As typed; of `@namespace` and `/regex/` the daemon knows whom they mean.
std::expected<Names, int> NamesAsked(const Session& session) {
  Names names;
  for (const std::string& typed : session.options.names) {
    if (!typed.starts_with('@') && !typed.starts_with('/')) {
      names.push_back(typed);
      continue;
    }
    const auto reply = Ask(session, control::Command::kList, {typed});
    if (!reply) return std::unexpected(Fail(session, reply.error()));
    if (!reply->ok()) return std::unexpected(Fail(session, reply->code, Clean(reply->error)));
    for (const control::Row& row : reply->instances) names.push_back(row.service);
  }
  return names;
}

bool IsAsked(const Names& names, const EventRecord& event) {
  return names.empty() || std::ranges::any_of(names, [&](const std::string& name) {
           return name == "all" || name == event.service || name == event.Subject();
         });
}

// Those behind `after`, in their order. What is no event is left out.
std::vector<EventRecord> Read(const Session& session, std::uint64_t after) {
  std::vector<EventRecord> events;
  for (const char* name : {control::kOlderEventFile, control::kEventFile}) {
    const auto text = os::ReadFile(session.places.state + "/" + name, kMostBytes);
    if (!text) continue;
    std::string_view rest = *text;
    for (std::size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
      auto event = control::DecodeEvent(rest.substr(0, end));
      rest.remove_prefix(end + 1);
      if (event && event->number > after) events.push_back(std::move(*event));
    }
  }
  return events;
}

// "11-22 03:12:44.120", as the clock on the wall has it.
std::string LocalTime(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%m-%d %H:%M:%S", &local);
  const std::string ms = std::to_string(1000 + unix_ms % 1000);
  return std::string(text.data()) + "." + ms.substr(1);
}

std::string Line(const Session& session, const EventRecord& event) {
  if (session.options.json) return control::EncodeEvent(event);
  std::string subject = Clean(event.Subject());
  subject.resize(std::max<std::size_t>(subject.size(), 12), ' ');
  const std::string text = Clean(event.text);
  return Painted(session.screen, Paint::kDim, LocalTime(event.unix_ms)) + "  " + subject + " " +
         (event.generation.is_set() ? "gen " + std::to_string(event.generation.number()) + "  "
                                    : "") +
         (event.failed ? Painted(session.screen, Paint::kBad, text) : text) + "\n";
}

bool Print(const Session& session, const std::vector<EventRecord>& events) {
  std::string text;
  for (const EventRecord& event : events) text += Line(session, event);
  return Write(STDOUT_FILENO, text);
}

}  // namespace

int ShowEvents(const Session& session) {
  const std::array<std::string, 1> folders = {session.places.state};
  auto watch = os::FolderWatch::Open(folders);
  if (!watch) return Fail(session, ExitCode::kNotDone, watch.error().message);
  const auto names = NamesAsked(session);
  if (!names) return names.error();
  std::uint64_t last = 0;
  std::size_t most = session.options.logs.lines.value_or(kLinesUnlessSaid);
  for (;;) {
    std::vector<EventRecord> events = Read(session, last);
    if (!events.empty()) last = events.back().number;
    std::erase_if(events, [&](const EventRecord& event) { return !IsAsked(*names, event); });
    if (events.size() > most) {
      events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(most));
    }
    if (!Print(session, events)) return static_cast<int>(ExitCode::kNotDone);
    if (!session.options.logs.follow) return 0;
    most = SIZE_MAX;
    static_cast<void>(watch->Wait(-1, kNever));
  }
}

}  // namespace oxherd::cli
