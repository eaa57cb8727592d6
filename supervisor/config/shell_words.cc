#include "config/shell_words.h"

#include <fmt/format.h>

#include <cctype>
#include <utility>

#include "config/placeholder.h"

namespace oxherd {

namespace {

class Reader {
 public:
  explicit Reader(std::string_view line) : line_(line) {}

  Result<ShellLine> Run() {
    while (at_ < line_.size()) OXHERD_TRY(Step());
    EndWord();
    return std::move(result_);
  }

 private:
  [[nodiscard]] std::string_view Rest() const { return line_.substr(at_); }

  Status Step() {
    const char c = line_[at_];
    if (c == '\'') return SingleQuoted();
    if (c == '"') return DoubleQuoted();
    if (c == '\\') {
      Backslash();
    } else if (c == ' ' || c == '\t') {
      EndWord();
      ++at_;
    } else if (std::string_view("|&;()\n").contains(c)) {
      Operator();
    } else if (c == '<' || c == '>') {
      Redirect();
    } else if (c == '#' && !in_word_) {
      result_.has_expansion = true;  // a comment, up to the end of the line
      while (at_ < line_.size() && line_[at_] != '\n') ++at_;
    } else if (c == '$') {
      Dollar();
    } else {
      if (c == '`' || c == '*' || c == '?' || c == '[' || (c == '~' && !in_word_)) {
        result_.has_expansion = true;
      }
      Take(c);
    }
    return {};
  }

  void Backslash() {
    if (Rest().starts_with("\\\n")) {  // the line goes on
      at_ += 2;
      return;
    }
    BeginWord();
    ++at_;
    if (at_ < line_.size()) Take(line_[at_]);
  }

  Status SingleQuoted() {
    BeginWord();
    const std::size_t close = line_.find('\'', at_ + 1);
    if (close == std::string_view::npos) return MakeError("a ' is not closed; add ' at the end");
    literal_ += line_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    return {};
  }

  Status DoubleQuoted() {
    BeginWord();
    ++at_;
    while (at_ < line_.size() && line_[at_] != '"') {
      const char c = line_[at_];
      if (c == '\\' && at_ + 1 < line_.size()) {
        const char next = line_[at_ + 1];
        if (!std::string_view("$`\"\\\n").contains(next)) literal_ += '\\';
        if (next != '\n') literal_ += next;
        at_ += 2;
      } else if (c == '$') {
        Dollar();
      } else {
        if (c == '`') result_.has_expansion = true;
        Take(c);
      }
    }
    if (at_ == line_.size()) return MakeError("a \" is not closed; add \" at the end");
    ++at_;
    return {};
  }

  void Dollar() {
    if (const std::size_t length = InstancePlaceholderLength(Rest()); length != 0) {
      BeginWord();
      FlushLiteral();
      value_ += Rest().substr(0, length);
      at_ += length;
      return;
    }
    const char next = at_ + 1 < line_.size() ? line_[at_ + 1] : ' ';
    if (std::isalnum(static_cast<unsigned char>(next)) != 0 ||
        std::string_view("_{(@*#?-$!").contains(next)) {
      result_.has_expansion = true;
    }
    Take('$');
  }

  void Operator() {
    EndWord();
    result_.has_operator = true;
    result_.words.push_back({at_, std::string(1, line_[at_]), std::string(1, line_[at_]), false});
    command_next_ = line_[at_] != ')';
    ++at_;
  }

  // `2>&1`, `>>file`: the `&` belongs to it.
  void Redirect() {
    EndWord();
    result_.has_redirect = true;
    const std::size_t begin = at_;
    while (at_ < line_.size() && std::string_view("<>&|").contains(line_[at_])) ++at_;
    const std::string raw(line_.substr(begin, at_ - begin));
    result_.words.push_back({begin, raw, raw, std::exchange(command_next_, false)});
  }

  void BeginWord() {
    if (in_word_) return;
    in_word_ = true;
    word_begin_ = at_;
  }

  void Take(char c) {
    BeginWord();
    literal_ += c;
    ++at_;
  }

  void FlushLiteral() {
    value_ += EscapePlaceholders(literal_);
    literal_.clear();
  }

  void EndWord() {
    if (!in_word_) return;
    FlushLiteral();
    result_.words.push_back({word_begin_, std::string(line_.substr(word_begin_, at_ - word_begin_)),
                             std::exchange(value_, {}), std::exchange(command_next_, false)});
    in_word_ = false;
  }

  std::string_view line_;
  std::size_t at_ = 0;
  bool in_word_ = false;
  std::size_t word_begin_ = 0;
  std::string literal_;  // of the word so far, not yet in value_
  std::string value_;
  bool command_next_ = true;
  ShellLine result_;
};

}  // namespace

Result<ShellLine> ReadShellLine(std::string_view line) { return Reader(line).Run(); }

}  // namespace oxherd
