#include "os/log_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

namespace oxherd::os {
namespace {

LogLine LineOf(std::string_view text, std::uint64_t offset, LogLine::End ended_by) {
  LogLine line;
  line.offset = offset;
  line.end = offset + text.size();
  line.ended_by = ended_by;
  if (ended_by == LogLine::End::kNewline) text.remove_suffix(1);
  line.text = std::string(text);
  return line;
}

// Cuts `bytes`, which begin at `offset`, into lines; what has no newline is the last one.
std::vector<LogLine> CutIntoLines(std::string_view bytes, std::uint64_t offset, LogLine::End rest) {
  std::vector<LogLine> lines;
  while (!bytes.empty()) {
    const auto newline = bytes.find('\n');
    const bool whole = newline != std::string_view::npos;
    const std::size_t size = whole ? newline + 1 : bytes.size();
    lines.push_back(LineOf(bytes.substr(0, size), offset, whole ? LogLine::End::kNewline : rest));
    bytes.remove_prefix(size);
    offset += size;
  }
  return lines;
}

}  // namespace

Result<LogReader> LogReader::Open(const std::string& path) {
  LogReader reader;
  reader.path_ = path;
  reader.file_ = Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (reader.file_.get() < 0) return ErrnoError("open log \"" + path + "\"");
  OXHERD_TRY_ASSIGN(reader.facts_, FactsOf(reader.file_));
  reader.ReopenIndex();
  return reader;
}

Result<LogReader> LogReader::OpenRotated(const std::string& path) {
  auto plain = Open(path);
  if (plain || plain.error().number != ENOENT) return plain;
  OXHERD_TRY_ASSIGN(LogReader reader, Open(GzipPath(path)));
  auto gzip = GzipLog::Open(reader.file_);
  if (!gzip) return ToError("open log \"" + reader.path_ + "\"", gzip.error());
  reader.gzip_ = std::move(*gzip);
  reader.path_ = path;
  reader.ReopenIndex();
  return reader;
}

bool LogReader::HasSameLog(const LogReader& other) const {
  if (facts_.SameFile(other.facts_)) return true;
  // An inode is given to another file in time: so it takes more to be the same.
  if (gzip_.has_value() == other.gzip_.has_value() || log_inode() != other.log_inode())
    return false;
  const auto ours = FactsOf(file_);
  const auto theirs = FactsOf(other.file_);
  return ours && theirs && ours->modified == theirs->modified && Size() == other.Size();
}

std::uint64_t LogReader::log_inode() const { return gzip_ ? gzip_->log_inode() : facts_.inode; }

SystemResult<std::size_t> LogReader::Read(std::uint64_t offset, std::span<char> buffer) {
  return gzip_ ? gzip_->ReadAt(file_, offset, buffer) : ReadAt(file_, offset, buffer);
}

void LogReader::ReopenIndex() {
  index_ = LogIndex::Open(path_, log_inode());
  found_.reset();
  found_end_ = 0;
}

std::uint64_t LogReader::Size() const {
  if (gzip_) return gzip_->size();
  const auto facts = FactsOf(file_);
  return facts ? facts->size : 0;
}

Result<LogReader::Block> LogReader::ReadBack(std::uint64_t end) {
  Block block;
  if (end == 0) return block;
  const std::uint64_t begin = end > kMaxLineBytes ? end - kMaxLineBytes : 0;
  std::string bytes(static_cast<std::size_t>(end - begin), '\0');
  const auto read = Read(begin, bytes);
  if (!read) return ToError("read log \"" + path_ + "\"", read.error());
  const std::size_t got = *read;
  bytes.resize(got);

  // The first line of the block may have begun before it: it belongs to the next block, unless the
  // block holds nothing else (then it is a piece of a long line).
  std::size_t first = 0;
  if (begin > 0) {
    const auto newline = bytes.find('\n');
    if (newline != std::string::npos && newline + 1 < bytes.size()) first = newline + 1;
  }
  const bool ends_here = !bytes.empty() && bytes.back() == '\n';
  const auto rest = ends_here || begin + got < Size() ? LogLine::End::kCut : LogLine::End::kOpen;
  block.lines = CutIntoLines(std::string_view(bytes).substr(first), begin + first, rest);
  std::reverse(block.lines.begin(), block.lines.end());
  block.next = begin + first;
  if (got == 0) block.next = begin;  // the file has become shorter
  return block;
}

Result<std::vector<LogLine>> LogReader::ReadOn(std::uint64_t begin) {
  std::string bytes(kMaxLineBytes, '\0');
  const auto read = Read(begin, bytes);
  if (!read) return ToError("read log \"" + path_ + "\"", read.error());
  const std::size_t got = *read;
  bytes.resize(got);
  const bool full = got == kMaxLineBytes;
  auto lines = CutIntoLines(bytes, begin, full ? LogLine::End::kCut : LogLine::End::kOpen);
  // A block that is full ends somewhere in a line: that one is read again with the next block.
  if (full && lines.size() > 1 && lines.back().ended_by == LogLine::End::kCut) lines.pop_back();
  for (auto& line : lines) line.burst = BurstAt(line.offset);
  return lines;
}

Result<std::vector<LogLine>> LogReader::LastLines(
    std::size_t count, std::uint64_t bytes, const std::function<Take(const LogLine&)>& wanted) {
  std::vector<LogLine> taken;
  const std::uint64_t size = Size();
  const std::uint64_t stop = size > bytes ? size - bytes : 0;
  for (std::uint64_t end = size; end > stop && taken.size() < count;) {
    OXHERD_TRY_ASSIGN(Block block, ReadBack(end));
    bool enough = false;
    for (auto& line : block.lines) {
      if (taken.size() >= count || enough) break;
      line.burst = BurstAt(line.offset);
      const Take take = wanted(line);
      enough = take == Take::kEnough;
      if (take == Take::kYes) taken.push_back(std::move(line));
    }
    if (enough || block.next >= end) break;
    end = block.next;
  }
  std::reverse(taken.begin(), taken.end());
  return taken;
}

std::optional<LogBurst> LogReader::BurstAt(std::uint64_t offset) {
  if (found_ && offset >= found_->offset) {
    if (offset < found_end_) return found_;
    if (found_end_ == 0 && index_.count() == found_count_) return found_;
  }
  const std::uint64_t count = index_.count();
  const auto position = index_.FindOffset(offset);
  if (!position) return std::nullopt;
  found_ = index_.At(*position);
  const auto next = *position + 1 < count ? index_.At(*position + 1) : std::nullopt;
  found_end_ = next ? next->offset : 0;
  found_count_ = count;
  return found_;
}

}  // namespace oxherd::os
