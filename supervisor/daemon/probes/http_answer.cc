#include "daemon/probes/http_answer.h"

#include <algorithm>
#include <cctype>
#include <system_error>
#include <utility>

#include "base/number.h"

namespace oxherd {
namespace {

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// What a status line that is no HTTP at all looks like after its first bytes.
bool BeginsLikeHttp(std::string_view text) {
  constexpr std::string_view kBegin = "HTTP/1.";
  return text.substr(0, kBegin.size()) == kBegin.substr(0, text.size());
}

}  // namespace

HttpAnswer::Verdict HttpAnswer::Bad(std::string text) {
  text_ = std::move(text);
  return verdict_ = Verdict::kBad;
}

bool HttpAnswer::in_lines() const {
  return part_ == Part::kStatus || part_ == Part::kHeaders || part_ == Part::kChunkSize ||
         part_ == Part::kTrailers;
}

HttpAnswer::Verdict HttpAnswer::Feed(std::string_view bytes) {
  bytes = bytes.substr(0, kMaxHttpAnswer - std::min(seen_, kMaxHttpAnswer));
  seen_ += bytes.size();
  while (verdict_ == Verdict::kMore && !bytes.empty()) {
    if (!in_lines()) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      if (part_ == Part::kBodyToEnd) break;
      bytes.remove_prefix(size);
      left_ -= size;
      if (left_ > 0) break;
      if (part_ == Part::kBodyBySize) return verdict_ = Verdict::kGood;
      part_ = Part::kChunkSize;
      continue;
    }
    const auto newline = bytes.find('\n');
    line_ += bytes.substr(0, newline);
    if (part_ == Part::kStatus && !BeginsLikeHttp(line_)) return Bad("no HTTP");
    if (newline == std::string_view::npos) break;
    bytes.remove_prefix(newline + 1);
    if (line_.ends_with('\r')) line_.pop_back();
    (void)Line(std::exchange(line_, {}));
  }
  if (verdict_ != Verdict::kMore || seen_ < kMaxHttpAnswer) return verdict_;
  if (part_ == Part::kStatus || part_ == Part::kHeaders) return Bad("endless headers");
  return verdict_ = Verdict::kGood;
}

HttpAnswer::Verdict HttpAnswer::Line(std::string_view line) {
  switch (part_) {
    case Part::kStatus:
      return StatusLine(line);
    case Part::kHeaders:
      if (line.empty()) return HeadersEnd();
      Header(line);
      return verdict_;
    case Part::kChunkSize:
      return ChunkSize(line);
    case Part::kTrailers:
      if (line.empty()) verdict_ = Verdict::kGood;
      return verdict_;
    case Part::kBodyBySize:
    case Part::kBodyToEnd:
    case Part::kChunk:
    case Part::kDone:
      return verdict_;
  }
  return verdict_;
}

HttpAnswer::Verdict HttpAnswer::StatusLine(std::string_view line) {
  // "HTTP/1.1 200 OK"
  const auto status = line.size() >= 12 && line[8] == ' '
                          ? ParseNumber<std::uint64_t>(line.substr(9, 3), 10)
                          : std::nullopt;
  if (!status || *status < 100) return Bad("no HTTP");
  status_ = static_cast<int>(*status);
  text_ = std::to_string(status_);
  if (status_ == 101 || status_ >= 300) return Bad(text_);
  length_.reset();
  chunked_ = false;
  part_ = Part::kHeaders;
  return verdict_;
}

void HttpAnswer::Header(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = Lower(line.substr(0, colon));
  const std::string_view value = Trimmed(line.substr(colon + 1));
  if (name == "content-length") length_ = ParseNumber<std::uint64_t>(value, 10);
  if (name == "transfer-encoding") chunked_ = Lower(value).ends_with("chunked");
}

HttpAnswer::Verdict HttpAnswer::HeadersEnd() {
  if (status_ < 200) {  // 100, 102, 103: the answer itself is still to come
    part_ = Part::kStatus;
  } else if (chunked_) {
    part_ = Part::kChunkSize;
  } else if (status_ == 204 || status_ == 205 || length_ == 0U) {
    verdict_ = Verdict::kGood;
  } else if (length_) {
    part_ = Part::kBodyBySize;
    left_ = *length_;
  } else {
    part_ = Part::kBodyToEnd;
  }
  return verdict_;
}

HttpAnswer::Verdict HttpAnswer::ChunkSize(std::string_view line) {
  if (line.empty()) return verdict_;  // the line end behind a chunk
  const auto size = ParseNumber<std::uint64_t>(Trimmed(line.substr(0, line.find(';'))), 16);
  if (!size) return Bad("the answer is no HTTP");
  left_ = *size;
  part_ = *size == 0 ? Part::kTrailers : Part::kChunk;
  return verdict_;
}

HttpAnswer::Verdict HttpAnswer::End() {
  if (verdict_ != Verdict::kMore) return verdict_;
  if (part_ == Part::kBodyToEnd) return verdict_ = Verdict::kGood;
  if (seen_ == 0) return Bad("closed without an answer");
  return Bad("the answer was cut off");
}

}  // namespace oxherd
