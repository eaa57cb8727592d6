// Fuzzes the control socket's lines: whatever is accepted is said again without loss.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "control/target.h"
#include "control/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace oxherd::control;
  const std::string_view line(reinterpret_cast<const char*>(bytes), size);
  if (const auto message = DecodeFromClient(line)) {
    const auto again = DecodeFromClient(EncodeLine(*message));
    OXHERD_CHECK(again.has_value(), "a request that cannot be read again");
    OXHERD_CHECK(*again == *message, "a request that changes on the wire");
  }
  if (const auto message = DecodeFromDaemon(line)) {
    const std::string said = EncodeLine(*message);
    OXHERD_CHECK(said.find('\n') == said.size() - 1, "an answer of several lines");
    const auto again = DecodeFromDaemon(said);
    OXHERD_CHECK(again.has_value(), "an answer that cannot be read again");
    // Times before 1970 and the like are brought into range once; then nothing changes any more.
    OXHERD_CHECK(EncodeLine(*again) == said, "an answer that changes on the wire");
  }
  static_cast<void>(ParseTarget(line, [](std::string_view name) { return name.size() % 3 == 1; }));
  return 0;
}
