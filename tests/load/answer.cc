#include "tests/load/answer.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace oxherd::load {
namespace {

constexpr std::size_t kMaxHeadBytes = 64UL * 1024;
constexpr std::size_t kMaxBodyBytes = 64UL * 1024 * 1024;

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lowered;
}

}  // namespace

Answer::State Answer::Read(std::string_view bytes) {
  if (state_ != State::kUnfinished || bytes.empty()) {
    return state_;
  }
  begun_ = true;
  unread_.append(bytes);
  if (!head_read_ && !ReadHead()) {
    if (unread_.size() > kMaxHeadBytes) {
      state_ = State::kBroken;
    }
    return state_;
  }
  if (kind_ == Length::kChunked) {
    return state_ = ReadChunks();
  }
  body_ += unread_;
  unread_.clear();
  if (body_.size() > kMaxBodyBytes) {
    state_ = State::kBroken;
  } else if (kind_ == Length::kKnown && body_.size() >= length_) {
    body_.resize(length_);
    state_ = State::kWhole;
  }
  return state_;
}

Answer::State Answer::End() {
  last_ = true;
  if (state_ == State::kUnfinished && head_read_ && kind_ == Length::kUntilEnd) {
    state_ = State::kWhole;
  }
  return state_;
}

// False while the head is not whole, or is none (then the state says so).
bool Answer::ReadHead() {
  const std::size_t end = unread_.find("\r\n\r\n");
  if (end == std::string::npos) {
    return false;
  }
  const std::string head = unread_.substr(0, end + 2);
  unread_.erase(0, end + 4);
  if (!head.starts_with("HTTP/1.") || head.size() < 12) {
    state_ = State::kBroken;
    return false;
  }
  last_ = head[7] == '0';
  status_ = static_cast<int>(std::strtol(head.c_str() + 9, nullptr, 10));
  std::size_t at = head.find("\r\n") + 2;
  for (std::size_t next = 0; (next = head.find("\r\n", at)) != std::string::npos; at = next + 2) {
    ReadHeader(std::string_view(head).substr(at, next - at));
  }
  if (status_ == 204 || status_ == 304) {
    kind_ = Length::kKnown;
    length_ = 0;
  }
  head_read_ = true;
  return true;
}

void Answer::ReadHeader(std::string_view line) {
  const std::string header = Lowered(line);
  if (header.starts_with("content-length:")) {
    kind_ = Length::kKnown;
    length_ = std::strtoull(header.c_str() + 15, nullptr, 10);
  } else if (header.starts_with("transfer-encoding:") && header.ends_with("chunked")) {
    kind_ = Length::kChunked;
  } else if (header.starts_with("connection:")) {
    if (header.ends_with("close")) {
      last_ = true;
    } else if (header.ends_with("keep-alive")) {
      last_ = false;
    }
  }
}

Answer::State Answer::ReadChunks() {
  while (true) {
    const std::size_t line = unread_.find("\r\n");
    if (line == std::string::npos) {
      return State::kUnfinished;
    }
    char* end = nullptr;
    const std::size_t size = std::strtoull(unread_.c_str(), &end, 16);
    if (end == unread_.c_str() || size > kMaxBodyBytes) {
      return State::kBroken;
    }
    // The last chunk is followed by trailers, of which there are none, and an empty line.
    if (unread_.size() < line + 2 + size + 2) {
      return State::kUnfinished;
    }
    body_.append(unread_, line + 2, size);
    unread_.erase(0, line + 2 + size + 2);
    if (size == 0) {
      return State::kWhole;
    }
  }
}

}  // namespace oxherd::load
