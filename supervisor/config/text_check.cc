#include "config/text_check.h"

#include <fmt/format.h>

#include <cctype>

namespace oxherd {

namespace {

std::uint8_t Byte(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<std::uint8_t>(text[at]) : std::uint8_t{0};
}

bool IsContinuation(std::uint8_t byte) { return (byte & 0xC0U) == 0x80U; }

// The length of the UTF-8 sequence at `at`, 0 if it is none. The Unicode Standard, table 3-7.
std::size_t SequenceLength(std::string_view text, std::size_t at) {
  const std::uint8_t first = Byte(text, at);
  const std::uint8_t second = Byte(text, at + 1);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  if (!IsContinuation(second)) return 0;
  if (first < 0xE0) return 2;
  if (!IsContinuation(Byte(text, at + 2))) return 0;
  if (first < 0xF0) {
    if (first == 0xE0 && second < 0xA0) return 0;
    if (first == 0xED && second > 0x9F) return 0;
    return 3;
  }
  if (!IsContinuation(Byte(text, at + 3))) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return 4;
}

// What TOML has outside strings and comments, but for brackets, dots, commas and "=".
bool IsBareCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("_-+: \t\r]}").contains(c);
}

constexpr std::size_t kMaxProblems = 100;

// Walks over TOML without understanding it: only as much as tells strings and comments from the
// rest.
class Outliner {
 public:
  explicit Outliner(std::string_view text) : text_(text) {}

  TomlOutline Run() {
    outline_.lines.push_back(LineStart::kFresh);
    while (at_ < text_.size()) Step();
    return std::move(outline_);
  }

 private:
  void Step() {
    const char c = text_[at_];
    if (c == '#') {
      while (at_ < text_.size() && text_[at_] != '\n') Advance();
    } else if (c == '"' || c == '\'') {
      // toml++ sees no string in what begins in the middle of a word.
      if (in_word_) Problem({});
      String(c);
      in_word_ = true;
    } else if (c == '\n') {
      dots_ = 0;
      in_word_ = false;
      Advance();
    } else {
      in_word_ = !std::string_view(" \t\r=,.[{").contains(c);
      Bare(c);
      Advance();
    }
  }

  void Bare(char c) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      const bool curly_quote = text_.substr(at_, 2) == "\xE2\x80";  // “ ” ‘ ’
      Problem(curly_quote ? "this quote is not TOML's; write \" or '"
                          : "this character may stand only in quotes or in a comment; put the text "
                            "in \"quotes\"");
    } else if (c == '[' || c == '{') {
      dots_ = 0;
      ++depth_;
      if (depth_ == kMaxNesting + 1) TooDeep();
    } else if ((c == ']' || c == '}') && depth_ > 0) {
      --depth_;
    } else if (c == '.') {
      ++dots_;
      if (dots_ == kMaxNesting + 1) TooDeep();
    } else if (c == '=' || c == ',') {
      dots_ = 0;
    } else if (!IsBareCharacter(c)) {
      Problem({});
    }
  }

  void TooDeep() { Problem(fmt::format("nested more than {} deep", kMaxNesting)); }

  // Over a string of one of the four kinds, from its first quote to after its last.
  void String(char quote) {
    const std::string three(3, quote);
    const bool long_form = text_.substr(at_, 3) == three;
    for (int i = 0; i < (long_form ? 3 : 1); ++i) Advance();
    in_string_ = long_form;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n' && !long_form) break;  // not closed: the parser will say so
      if (c == '\\' && quote == '"') {
        Advance();
        if (at_ < text_.size() && text_[at_] != '\n') Advance();
        continue;
      }
      if (c == quote && !long_form) {
        Advance();
        break;
      }
      if (long_form && text_.substr(at_, 3) == three) {
        // Up to two more quotes before the closing three belong to the string.
        for (int i = 0; i < 5 && at_ < text_.size() && text_[at_] == quote; ++i) Advance();
        break;
      }
      Advance();
    }
    in_string_ = false;
  }

  // One character on; counts lines and columns.
  void Advance() {
    if (text_[at_] == '\n') {
      ++position_.line;
      position_.column = 1;
      const bool continued = in_string_ || depth_ > 0;
      outline_.lines.push_back(continued ? LineStart::kContinued : LineStart::kFresh);
      ++at_;
      return;
    }
    ++at_;
    if (at_ < text_.size() && IsContinuation(Byte(text_, at_))) return;
    ++position_.column;
  }

  // One problem a line is enough.
  void Problem(std::string message) {
    if (outline_.problems.size() >= kMaxProblems) return;
    if (!outline_.problems.empty() && outline_.problems.back().position.line == position_.line)
      return;
    outline_.problems.push_back({position_, std::move(message)});
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Position position_{1, 1};
  std::uint32_t depth_ = 0;  // of brackets
  std::uint32_t dots_ = 0;   // of one dotted key
  bool in_word_ = false;     // the character before was part of a word or a string
  bool in_string_ = false;   // of several lines
  TomlOutline outline_;
};

}  // namespace

std::string_view WithoutByteOrderMark(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

std::optional<TextProblem> CheckEncoding(std::string_view text) {
  Position position{1, 1};
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = SequenceLength(text, at);
    if (length == 0) {
      return TextProblem{position, fmt::format("byte 0x{:02X} is not UTF-8; save the file as UTF-8",
                                               Byte(text, at))};
    }
    if (text[at] == '\0') {
      return TextProblem{position,
                         "a NUL byte: this is no text file, or was not written completely"};
    }
    if (text[at] == '\n') {
      ++position.line;
      position.column = 1;
    } else {
      ++position.column;
    }
    at += length;
  }
  return std::nullopt;
}

TomlOutline OutlineToml(std::string_view text) { return Outliner(text).Run(); }

std::string_view LineOf(std::string_view text, std::uint32_t number) {
  for (std::uint32_t line = 1; line < number; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  std::string_view line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace oxherd
