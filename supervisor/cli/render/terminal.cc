#include "cli/render/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "base/number.h"

namespace oxherd::cli {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Decoded {
  char32_t character = kReplacement;
  std::size_t bytes = 1;
  bool valid = false;
};

// The first character of `text`, which is not empty.
Decoded DecodeFirst(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {};
  char32_t character = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {};
    character = character << 6U | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = character >= 0xD800 && character <= 0xDFFF;
  if (character < kLeast[length] || is_surrogate || character > 0x10FFFF) return {};
  return {character, length, true};
}

struct Range {
  char32_t first;
  char32_t last;
};

template <std::size_t N>
bool IsIn(const std::array<Range, N>& ranges, char32_t character) {
  return std::ranges::any_of(ranges, [&](const Range& range) {
    return character >= range.first && character <= range.last;
  });
}

// The parts of Unicode 15 (EastAsianWidth.txt, combining marks) that are common enough to matter.
constexpr std::array kWide = {
    Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},   Range{0x3041, 0xA4CF},
    Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE30, 0xFE6F},
    Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F300, 0x1F64F},
    Range{0x1F680, 0x1F6FF}, Range{0x1F900, 0x1F9FF}, Range{0x20000, 0x3FFFD}};
constexpr std::array kZero = {Range{0x0300, 0x036F}, Range{0x0483, 0x0489}, Range{0x0591, 0x05BD},
                              Range{0x1AB0, 0x1AFF}, Range{0x20D0, 0x20FF}, Range{0x200B, 0x200D},
                              Range{0xFE00, 0xFE0F}, Range{0xFE20, 0xFE2F}};
// Turn the direction of text around: what stands there is not what is read.
constexpr std::array kDeceiving = {Range{0x200E, 0x200F}, Range{0x202A, 0x202E},
                                   Range{0x2028, 0x2029}, Range{0x2066, 0x2069}};

std::size_t ColumnsOf(char32_t character) {
  if (character < 0x300) return 1;
  if (IsIn(kZero, character)) return 0;
  return IsIn(kWide, character) ? 2 : 1;
}

// Bytes of the escape sequence at the start of `text` that only colours or moves (CSI); 0: none.
std::size_t ControlSequence(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  for (std::size_t i = 2; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '@' && c <= '~') return i + 1;
    if (c < ' ' || c > '?') return 0;
  }
  return 0;
}

void AppendEscaped(std::string& out, char32_t character) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (character > 0xFF) {
    out += "\xEF\xBF\xBD";
    return;
  }
  out += "\\x";
  out += kDigits[character >> 4U & 15U];
  out += kDigits[character & 15U];
}

// Nothing: not set.
std::optional<std::string_view> Variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  return text;
}

std::size_t NumberIn(const char* variable) {
  return ParseNumber<std::uint16_t>(Variable(variable).value_or("")).value_or(0);
}

}  // namespace

Screen ScreenOf(int descriptor) {
  Screen screen;
  if (::isatty(descriptor) != 1) return screen;
  const std::string_view term = Variable("TERM").value_or("");
  const bool dumb = term.empty() || term == "dumb";
  screen.is_terminal = !dumb;
  screen.colour = !dumb && Variable("NO_COLOR").value_or("").empty();
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0) {
    screen.width = size.ws_col;
    screen.height = size.ws_row;
  }
  if (const std::size_t columns = NumberIn("COLUMNS"); columns != 0) screen.width = columns;
  // A line that is as wide as the terminal may wrap; who does not know his width gets 80.
  screen.width = screen.width == 0 ? 80 : std::max<std::size_t>(screen.width, 20);
  if (screen.height == 0) screen.height = 24;
  return screen;
}

std::string Painted(const Screen& screen, Paint paint, std::string_view text) {
  if (!screen.colour || paint == Paint::kPlain || text.empty()) return std::string(text);
  std::string_view code;
  switch (paint) {
    case Paint::kGood:
      code = "32";
      break;
    case Paint::kBusy:
      code = "33";
      break;
    case Paint::kBad:
      code = "31";
      break;
    case Paint::kDim:
      code = "2";
      break;
    case Paint::kBold:
      code = "1";
      break;
    case Paint::kPlain:
      break;
  }
  std::string painted = "\x1b[";
  painted += code;
  painted += 'm';
  painted += text;
  painted += "\x1b[0m";
  return painted;
}

std::string Clean(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (const std::size_t sequence = ControlSequence(text); sequence != 0) {
      text.remove_prefix(sequence);
      continue;
    }
    const Decoded next = DecodeFirst(text);
    if (next.character == U'\t') {
      out += "    ";
    } else if (!next.valid || IsIn(kDeceiving, next.character)) {
      out += "\xEF\xBF\xBD";
    } else if (next.character < 0x20 || (next.character >= 0x7F && next.character < 0xA0)) {
      AppendEscaped(out, next.character);
    } else {
      out += text.substr(0, next.bytes);
    }
    text.remove_prefix(next.bytes);
  }
  return out;
}

std::size_t WidthOf(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Decoded next = DecodeFirst(text);
    width += ColumnsOf(next.character);
    text.remove_prefix(next.bytes);
  }
  return width;
}

std::string Cut(std::string_view text, std::size_t width) {
  if (width == 0 || WidthOf(text) <= width) return std::string(text);
  std::size_t used = 0;
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const Decoded next = DecodeFirst(text.substr(bytes));
    if (used + ColumnsOf(next.character) > width - 1) break;
    used += ColumnsOf(next.character);
    bytes += next.bytes;
  }
  return std::string(text.substr(0, bytes)) + "…";
}

bool Write(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace oxherd::cli
