#include "config/placeholder.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/number.h"

namespace oxherd {

namespace {

constexpr std::string_view kInstanceName = "INSTANCE";

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<std::int64_t> SmallNumber(std::string_view text) {
  const auto number = ParseNumber<std::int32_t>(text);
  return number.value_or(-1) < 0 ? std::nullopt : number;
}

// "INSTANCE", "3000 + INSTANCE", "INSTANCE+1": what is added to the number of the instance.
std::optional<std::int64_t> InstanceAddend(std::string_view inside) {
  inside = Trim(inside);
  if (inside == kInstanceName) return 0;
  const std::size_t plus = inside.find('+');
  if (plus == std::string_view::npos) return std::nullopt;
  const std::string_view left = Trim(inside.substr(0, plus));
  const std::string_view right = Trim(inside.substr(plus + 1));
  if (left == kInstanceName) return SmallNumber(right);
  if (right == kInstanceName) return SmallNumber(left);
  return std::nullopt;
}

Result<TextPart> ReadInside(std::string_view inside) {
  if (const auto addend = InstanceAddend(inside)) {
    return TextPart{TextPart::Kind::kInstance, {}, *addend};
  }
  if (IsVariableName(inside)) return TextPart{TextPart::Kind::kName, std::string(inside), 0};
  // What stands inside is not repeated: in an environment it may be part of a secret.
  return MakeError(
      "what stands in ${…} is neither a variable nor 3000 + INSTANCE; a literal ${ is written $${");
}

}  // namespace

bool IsVariableName(std::string_view text) {
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text.front())) != 0) return false;
  return std::ranges::all_of(
      text, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
}

Result<std::vector<TextPart>> SplitPlaceholders(std::string_view text) {
  std::vector<TextPart> parts;
  std::string literal;
  const auto flush = [&] {
    if (!literal.empty()) parts.push_back({TextPart::Kind::kLiteral, std::move(literal), 0});
    literal.clear();
  };
  while (!text.empty()) {
    if (text.starts_with("$${")) {
      literal += "${";
      text.remove_prefix(3);
    } else if (text.starts_with("${")) {
      const std::size_t close = text.find('}');
      if (close == std::string_view::npos) {
        return MakeError("\"${\" is not closed; add \"}\", or write $${ for a literal ${");
      }
      OXHERD_TRY_ASSIGN(TextPart part, ReadInside(text.substr(2, close - 2)));
      flush();
      parts.push_back(std::move(part));
      text.remove_prefix(close + 1);
    } else {
      literal += text.front();
      text.remove_prefix(1);
    }
  }
  flush();
  return parts;
}

std::string EscapePlaceholders(std::string_view text) {
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "${") escaped += '$';
    escaped += text[i];
  }
  return escaped;
}

std::size_t InstancePlaceholderLength(std::string_view text) {
  if (!text.starts_with("${")) return 0;
  const std::size_t close = text.find('}');
  if (close == std::string_view::npos) return 0;
  return InstanceAddend(text.substr(2, close - 2)) ? close + 1 : 0;
}

}  // namespace oxherd
