#include "cli/top/keys.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace oxherd::cli {
namespace {

using Kind = Key::Kind;

constexpr std::string_view kPasteBegins = "\x1b[200~";
constexpr std::string_view kPasteEnds = "\x1b[201~";
// No sequence of a key is longer; what goes on like one is thrown away.
constexpr std::size_t kLongestSequence = 32;
// What is pasted beyond it is taken as it comes.
constexpr std::size_t kLongestPaste = 64UL * 1024;

constexpr auto kSequences = std::to_array<std::pair<std::string_view, Kind>>({
    {"[A", Kind::kUp},
    {"OA", Kind::kUp},
    {"[B", Kind::kDown},
    {"OB", Kind::kDown},
    {"[5~", Kind::kPageUp},
    {"[6~", Kind::kPageDown},
    {"[H", Kind::kHome},
    {"OH", Kind::kHome},
    {"[1~", Kind::kHome},
    {"[7~", Kind::kHome},
    {"[F", Kind::kEnd},
    {"OF", Kind::kEnd},
    {"[4~", Kind::kEnd},
    {"[8~", Kind::kEnd},
});

struct Taken {
  std::size_t bytes = 0;  // 0: not whole
  Key key;
};

Taken TakeEscape(std::string_view bytes) {
  if (bytes.size() == 1) return {};
  const char second = bytes[1];
  if (second == 'O') {
    if (bytes.size() < 3) return {};
  } else if (second != '[') {
    return {1, {Kind::kEscape}};
  }
  if (bytes.starts_with(kPasteBegins)) {
    const std::size_t end = bytes.find(kPasteEnds);
    if (end == std::string_view::npos && bytes.size() < kLongestPaste) return {};
    const std::string_view text = bytes.substr(0, end).substr(kPasteBegins.size());
    const std::size_t whole =
        end == std::string_view::npos ? bytes.size() : end + kPasteEnds.size();
    return {whole, {Kind::kPasted, std::string(text)}};
  }
  std::size_t end = 2;
  while (end < bytes.size() && (bytes[end] < '@' || bytes[end] > '~')) ++end;
  if (end >= bytes.size()) {
    return bytes.size() < kLongestSequence ? Taken{} : Taken{bytes.size(), {Kind::kOther}};
  }
  const std::string_view sequence = bytes.substr(1, end);
  const auto* known =
      std::ranges::find(kSequences, sequence, &std::pair<std::string_view, Kind>::first);
  return {end + 1, {known == kSequences.end() ? Kind::kOther : known->second}};
}

std::size_t LengthOfCharacter(unsigned char lead) {
  if (lead >= 0xF0) return 4;
  if (lead >= 0xE0) return 3;
  return lead >= 0xC2 ? 2 : 1;
}

Taken TakeOne(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes.front());
  switch (lead) {
    case 0x1B:
      return TakeEscape(bytes);
    case '\r':
    case '\n':
      return {1, {Kind::kEnter}};
    case 0x7F:
    case 0x08:
      return {1, {Kind::kBackspace}};
    case 0x03:
    case 0x1C:
      return {1, {Kind::kInterrupt}};
    case 0x1A:
      return {1, {Kind::kSuspend}};
    case 0x0C:
      return {1, {Kind::kRedraw}};
    default:
      break;
  }
  if (lead < 0x20) return {1, {Kind::kOther}};
  const std::size_t length = LengthOfCharacter(lead);
  if (bytes.size() < length) return {};
  return {length, {Kind::kCharacter, std::string(bytes.substr(0, length))}};
}

}  // namespace

std::vector<Key> TakeKeys(std::string& bytes, Rest rest) {
  std::vector<Key> keys;
  std::string_view left = bytes;
  while (!left.empty()) {
    Taken taken = TakeOne(left);
    if (taken.bytes == 0) {
      if (rest == Rest::kMayCome) break;
      taken = {1, {left.front() == '\x1b' ? Kind::kEscape : Kind::kOther}};
    }
    left.remove_prefix(taken.bytes);
    keys.push_back(std::move(taken.key));
  }
  bytes.erase(0, bytes.size() - left.size());
  return keys;
}

}  // namespace oxherd::cli
