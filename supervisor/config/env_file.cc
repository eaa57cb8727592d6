#include "config/env_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "config/placeholder.h"
#include "config/text_check.h"

namespace oxherd {

namespace {

constexpr std::size_t kMaxProblems = 100;

// The \r of a line from Windows is blank too.
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  EnvFile Run() {
    while (at_ < text_.size()) {
      Line();
      SkipLine();
    }
    return std::move(file_);
  }

 private:
  [[nodiscard]] bool AtEnd() const { return at_ >= text_.size() || text_[at_] == '\n'; }
  [[nodiscard]] char Now() const { return at_ < text_.size() ? text_[at_] : '\n'; }

  void Advance() {
    if (text_[at_] == '\n') {
      position_ = {position_.line + 1, 1};
    } else if ((static_cast<unsigned char>(text_[at_]) & 0xC0U) != 0x80U) {
      ++position_.column;
    }
    ++at_;
  }

  void SkipBlanks() {
    while (!AtEnd() && IsBlank(Now())) Advance();
  }

  void SkipLine() {
    while (!AtEnd()) Advance();
    if (at_ < text_.size()) Advance();
  }

  void Problem(Position position, std::string message) {
    if (file_.problems.size() >= kMaxProblems) return;
    file_.problems.push_back({position, name_, std::move(message)});
  }

  void Line() {
    name_.clear();
    SkipBlanks();
    if (AtEnd() || Now() == '#') return;
    constexpr std::string_view kExport = "export";
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with(kExport) && rest.size() > kExport.size() &&
        IsBlank(rest[kExport.size()])) {
      for (std::size_t i = 0; i < kExport.size(); ++i) Advance();
      SkipBlanks();
    }
    const Position name_position = position_;
    const std::size_t begin = at_;
    while (!AtEnd() && Now() != '=' && !IsBlank(Now())) Advance();
    const std::string name(text_.substr(begin, at_ - begin));
    SkipBlanks();
    if (Now() != '=') {
      Problem(name_position, "not KEY=value; a comment begins with #");
      return;
    }
    if (!IsEnvironmentName(name)) {
      Problem(
          name_position,
          "what stands before = is not the name of a variable; write letters, digits and _, not "
          "beginning with a digit");
      return;
    }
    name_ = name;
    Advance();
    SkipBlanks();
    Value();
  }

  void Value() {
    const Position position = position_;
    std::optional<std::string> value;
    if (Now() == '"') {
      value = DoubleQuoted(position);
    } else if (Now() == '\'') {
      value = SingleQuoted(position);
    } else {
      value = Bare();
    }
    if (!value) return;
    if (const auto parts = SplitPlaceholders(*value); !parts) {
      Problem(position, parts.error().message + "; or put the value in '…'");
      return;
    }
    file_.entries.push_back({name_, std::move(*value), position});
  }

  std::string Bare() {
    const std::size_t begin = at_;
    while (!AtEnd() && !(Now() == '#' && (at_ == begin || IsBlank(text_[at_ - 1])))) Advance();
    std::string value(text_.substr(begin, at_ - begin));
    while (!value.empty() && IsBlank(value.back())) value.pop_back();
    return value;
  }

  std::optional<std::string> SingleQuoted(Position opening) {
    std::string value;
    Advance();
    while (at_ < text_.size() && text_[at_] != '\'') {
      value += text_[at_];
      Advance();
    }
    if (!Close(opening, '\'')) return std::nullopt;
    return EscapePlaceholders(value);
  }

  std::optional<std::string> DoubleQuoted(Position opening) {
    std::string value;
    Advance();
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        Advance();
        Escape(value);
      } else {
        value += text_[at_];
      }
      Advance();
    }
    if (!Close(opening, '"')) return std::nullopt;
    return value;
  }

  // The character after a backslash; what is no escape keeps its backslash.
  void Escape(std::string& value) const {
    switch (text_[at_]) {
      case 'n':
        value += '\n';
        break;
      case 'r':
        value += '\r';
        break;
      case 't':
        value += '\t';
        break;
      case '"':
      case '\\':
        value += text_[at_];
        break;
      case '$':
        value += text_.substr(at_).starts_with("${") ? "$$" : "$";
        break;
      default:
        value += '\\';
        value += text_[at_];
    }
  }

  // Over the closing quote; after it only blanks and a comment may come.
  bool Close(Position opening, char quote) {
    if (at_ >= text_.size()) {
      Problem(opening,
              fmt::format("this {} is never closed; add {} at the end of the value", quote, quote));
      return false;
    }
    Advance();
    SkipBlanks();
    if (AtEnd() || Now() == '#') return true;
    Problem(position_,
            fmt::format("text after the closing {}; put the whole value in quotes", quote));
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Position position_{1, 1};
  std::string name_;  // of the variable that is being read
  EnvFile file_;
};

}  // namespace

bool IsEnvironmentName(std::string_view name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) != 0) return false;
  if (name.front() == '.' || name.front() == '-') return false;
  return std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
  });
}

EnvFile ParseEnvFile(std::string_view text) {
  text = WithoutByteOrderMark(text);
  if (auto problem = CheckEncoding(text))
    return {{}, {{problem->position, {}, std::move(problem->message)}}};
  return Parser(text).Run();
}

}  // namespace oxherd
