// Fuzzes what programs say of themselves: datagrams of sd_notify, lines of Node's channel.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "daemon/launch/notice.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace oxherd;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  std::string said;
  for (const Notice& notice : ParseNotice(text)) {
    OXHERD_CHECK(notice.status.size() <= kMaxStatus, "a status without a bound");
    OXHERD_CHECK(notice.status.find('\n') == std::string::npos, "a status of several lines");
    if (notice.kind == event::Notified::Kind::kReady) said += "READY=1\n";
    if (notice.kind == event::Notified::Kind::kStopping) said += "STOPPING=1\n";
    if (notice.kind == event::Notified::Kind::kStatus) said += "STATUS=" + notice.status + "\n";
  }
  OXHERD_CHECK(ParseNotice(said) == ParseNotice(text), "a notice that changes when it is repeated");

  // In one piece, and in two.
  std::string whole(text);
  const bool is_ready = TakeChannelLines(whole);
  const std::size_t cut = size == 0 ? 0 : bytes[0] % size;
  std::string begun(text.substr(0, cut));
  bool is_ready_in_two = TakeChannelLines(begun);
  begun += text.substr(cut);
  is_ready_in_two = TakeChannelLines(begun) || is_ready_in_two;
  OXHERD_CHECK(whole.find('\n') == std::string::npos, "a whole line that stays");
  OXHERD_CHECK(whole.size() <= kMaxChannelLine, "a line without a bound");
  if (size <= kMaxChannelLine) {
    OXHERD_CHECK(is_ready == is_ready_in_two, "ready, or not, by how the bytes arrive");
    OXHERD_CHECK(whole == begun, "what is left depends on how the bytes arrive");
  }
  return 0;
}
