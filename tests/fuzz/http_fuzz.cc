// Fuzzes the judge of HTTP answers: however the bytes arrive, the verdict is the same, and it is
// final.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "daemon/probes/http_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using oxherd::HttpAnswer;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  HttpAnswer whole;
  const HttpAnswer::Verdict verdict = whole.Feed(text);
  HttpAnswer pieces;
  HttpAnswer::Verdict in_pieces = HttpAnswer::Verdict::kMore;
  const std::size_t step = size == 0 ? 1 : 1 + bytes[0] % 7;
  for (std::size_t at = 0; at < size && in_pieces == HttpAnswer::Verdict::kMore; at += step) {
    in_pieces = pieces.Feed(text.substr(at, step));
  }
  OXHERD_CHECK(verdict == in_pieces, "a verdict that depends on how the bytes arrive");
  OXHERD_CHECK(whole.text() == pieces.text(), "words that depend on how the bytes arrive");
  OXHERD_CHECK(whole.text().size() <= 200, "more words than fit a line");
  if (verdict == HttpAnswer::Verdict::kMore) {
    OXHERD_CHECK(size <= oxherd::kMaxHttpAnswer, "reads on for ever");
    OXHERD_CHECK(whole.End() != HttpAnswer::Verdict::kMore, "no verdict at the end");
  }
  return 0;
}
