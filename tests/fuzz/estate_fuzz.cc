// Fuzzes what a keeper reads of the one before it: the file of instances, or a memfd. What is
// accepted is said again without loss.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "keeper/succession.h"

namespace {

using namespace oxherd::keeper;

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto estate = DecodeEstate(std::as_bytes(std::span(data, size)));
  if (!estate) {
    OXHERD_CHECK(!estate.error().message.empty(), "refused without a word");
    return 0;
  }
  const auto again = DecodeEstate(Bytes(EncodeEstate(*estate)));
  OXHERD_CHECK(again.has_value() && again->damaged == 0, "an estate of ours that cannot be read");
  OXHERD_CHECK(again->preamble == estate->preamble && again->processes == estate->processes &&
                   again->held == estate->held && again->highest == estate->highest,
               "an estate that changes on its way");
  return 0;
}
