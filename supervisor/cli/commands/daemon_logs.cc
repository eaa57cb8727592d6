// `daemon logs`: the end of the daemon's own log, and what is added to it.
#include <unistd.h>

#include <array>

#include "cli/commands/commands.h"
#include "os/folder_watch.h"
#include "os/log_reader.h"

namespace oxherd::cli {
namespace {

constexpr std::uint32_t kLinesUnlessSaid = 15;
constexpr std::uint64_t kSearched = 16ULL * 1024 * 1024;

void Print(const std::vector<os::LogLine>& lines) {
  std::string text;
  for (const os::LogLine& line : lines) text += Clean(line.text) + "\n";
  Write(STDOUT_FILENO, text);
}

// Prints all that is whole from `offset` on; the offset behind it.
std::uint64_t PrintFrom(os::LogReader& reader, std::uint64_t offset) {
  for (;;) {
    auto lines = reader.ReadOn(offset);
    if (!lines || lines->empty()) return offset;
    if (lines->back().ended_by == os::LogLine::End::kOpen) lines->pop_back();
    if (lines->empty()) return offset;
    Print(*lines);
    offset = lines->back().end;
  }
}

int Follow(const Session& session, const std::string& path, os::LogReader reader) {
  const std::array<std::string, 1> folders = {session.places.logs};
  auto watch = os::FolderWatch::Open(folders);
  if (!watch) return Fail(session, ExitCode::kNotDone, watch.error().message);
  std::uint64_t offset = reader.Size();
  for (;;) {
    static_cast<void>(watch->Wait(-1, kNever));
    offset = PrintFrom(reader, offset);
    const auto now = os::FactsOf(path);
    if (!now || now->SameFile(reader.facts())) continue;
    // Rotated: the old one is read to its end above, the new one from its beginning.
    auto next = os::LogReader::Open(path);
    if (!next) continue;
    reader = std::move(*next);
    offset = PrintFrom(reader, 0);
  }
}

}  // namespace

int ShowDaemonLog(const Session& session) {
  const std::string path = session.places.daemon_log();
  auto reader = os::LogReader::Open(path);
  if (!reader) {
    return Fail(session, ExitCode::kNotDone,
                reader.error().message + "; it is made when a daemon starts: oxherd daemon start");
  }
  const auto all = [](const os::LogLine&) { return os::LogReader::Take::kYes; };
  const auto lines =
      reader->LastLines(session.options.logs.lines.value_or(kLinesUnlessSaid), kSearched, all);
  if (!lines) return Fail(session, ExitCode::kNotDone, lines.error().message);
  Print(*lines);
  return session.options.logs.follow ? Follow(session, path, std::move(*reader)) : 0;
}

}  // namespace oxherd::cli
