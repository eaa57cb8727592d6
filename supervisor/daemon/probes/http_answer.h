// The answer to a health question over HTTP, judged as it comes in: any 2xx, read to its end.
//
// Nothing is kept but where in the answer we are. Redirects are not followed, 101 is no health. At
// most kMaxHttpAnswer bytes are looked at: a body that is longer is good enough, headers that are
// longer are not. Source: RFC 9112.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace oxherd {

constexpr std::size_t kMaxHttpAnswer = std::size_t{64} * 1024;

class HttpAnswer {
 public:
  enum class Verdict : std::uint8_t { kMore, kGood, kBad };

  // The next bytes, of any number. After a verdict that is final, nothing more.
  Verdict Feed(std::string_view bytes);
  // The connection was closed by the other side.
  Verdict End();

  // For people: "200", "503", "no HTTP", "the answer was cut off".
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  enum class Part : std::uint8_t {
    kStatus,
    kHeaders,
    kBodyBySize,  // left_ bytes
    kBodyToEnd,   // until the connection is closed
    kChunkSize,
    kChunk,  // left_ bytes and a line end
    kTrailers,
    kDone,
  };

  Verdict Line(std::string_view line);
  Verdict StatusLine(std::string_view line);
  void Header(std::string_view line);
  Verdict HeadersEnd();
  Verdict ChunkSize(std::string_view line);
  Verdict Bad(std::string text);
  [[nodiscard]] bool in_lines() const;

  Part part_ = Part::kStatus;
  Verdict verdict_ = Verdict::kMore;
  std::size_t seen_ = 0;
  std::string line_;  // begun, not ended
  std::string text_;
  int status_ = 0;
  std::uint64_t left_ = 0;
  std::optional<std::uint64_t> length_;
  bool chunked_ = false;
};

}  // namespace oxherd
