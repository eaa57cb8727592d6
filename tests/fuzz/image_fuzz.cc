// Fuzzes what a daemon reads of its predecessor: the records of the image, and state.json with and
// without a checksum that holds. What is accepted is said again without loss.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "core/codec.h"
#include "daemon/store/state_file.h"

namespace {

using namespace oxherd;

ByteView Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

void FuzzStateFile(std::string_view text) {
  const auto wishes = DecodeStateFile(text);
  if (!wishes) {
    OXHERD_CHECK(!wishes.error().message.empty(), "refused without a word");
    return;
  }
  const std::string said = EncodeStateFile(*wishes);
  const auto again = DecodeStateFile(said);
  OXHERD_CHECK(again.has_value(), "a file of ours that cannot be read");
  OXHERD_CHECK(EncodeStateFile(*again) == said, "wishes that change on the disk");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  std::string said;
  std::string again;
  if (const auto service = DecodeService(bytes)) {
    EncodeService(*service, said);
    const auto repeated = DecodeService(Bytes(said));
    OXHERD_CHECK(repeated.has_value(), "a record of ours that cannot be read");
    EncodeService(*repeated, again);
    OXHERD_CHECK(again == said, "a service that changes in the image");
  }
  if (const auto common = DecodeCommon(bytes)) {
    EncodeCommon(*common, said);
    const auto repeated = DecodeCommon(Bytes(said));
    OXHERD_CHECK(repeated.has_value(), "a common record of ours that cannot be read");
    EncodeCommon(*repeated, again);
    OXHERD_CHECK(again == said, "a state that changes in the image");
  }
  static_cast<void>(Decode(bytes).has_value());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  FuzzStateFile(text);
  FuzzStateFile(StateFileFirstLine(text) + std::string(text));
  return 0;
}
