// Reads one HTTP/1 answer piece by piece, as it comes off a connection.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace oxherd::load {

class Answer {
 public:
  enum class State { kUnfinished, kWhole, kBroken };

  // Takes what was read. What comes after a whole answer is ignored: nothing was asked for.
  State Read(std::string_view bytes);
  // The other side has ended the connection: whole only where the end is what ends the body.
  State End();

  [[nodiscard]] bool begun() const { return begun_; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& body() const { return body_; }
  // The server will not take another request on this connection.
  [[nodiscard]] bool last() const { return last_; }

 private:
  enum class Length { kKnown, kChunked, kUntilEnd };

  bool ReadHead();
  void ReadHeader(std::string_view line);
  State ReadChunks();

  std::string unread_;
  std::string body_;
  int status_ = 0;
  std::size_t length_ = 0;
  Length kind_ = Length::kUntilEnd;
  State state_ = State::kUnfinished;
  bool begun_ = false;
  bool head_read_ = false;
  bool last_ = false;
};

}  // namespace oxherd::load
