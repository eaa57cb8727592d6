#include "daemon/output/log_tail.h"

#include <algorithm>
#include <utility>

#include "os/log_reader.h"

namespace oxherd {
namespace {

using Lines = std::vector<os::LogLine>;

// Of one file, oldest first.
Lines LinesIn(const std::string& path, Token token, std::size_t count) {
  auto reader = os::LogReader::Open(path);
  if (!reader) return {};
  auto lines = reader->LastLines(count, kTailBytes, [token](const os::LogLine& line) {
    return line.burst && line.burst->token == token ? os::LogReader::Take::kYes
                                                    : os::LogReader::Take::kNo;
  });
  return lines ? std::move(*lines) : Lines{};
}

// Of one log, going back over a rotation.
Lines LinesOfLog(const std::string& path, Token token, std::size_t count) {
  if (path.empty()) return {};
  Lines lines = LinesIn(path, token, count);
  if (lines.size() >= count) return lines;
  Lines older = LinesIn(path + ".1", token, count - lines.size());
  older.insert(older.end(), std::make_move_iterator(lines.begin()),
               std::make_move_iterator(lines.end()));
  return older;
}

}  // namespace

std::vector<std::string> LastLinesOf(Token token, const std::string& out_path,
                                     const std::string& err_path, std::size_t count) {
  const Lines out = LinesOfLog(out_path, token, count);
  const Lines err = err_path == out_path ? Lines{} : LinesOfLog(err_path, token, count);
  Lines merged;
  std::merge(out.begin(), out.end(), err.begin(), err.end(), std::back_inserter(merged),
             [](const os::LogLine& a, const os::LogLine& b) {
               return a.burst->monotonic < b.burst->monotonic;  // one token, one boot
             });
  std::vector<std::string> texts;
  for (std::size_t i = merged.size() > count ? merged.size() - count : 0; i < merged.size(); ++i) {
    texts.push_back(merged[i].text.substr(0, kTailLineBytes));
  }
  return texts;
}

}  // namespace oxherd
