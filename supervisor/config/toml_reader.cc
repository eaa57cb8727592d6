#include "config/toml_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>

// toml++ 3.3.0 asserts what some files break ("[." and "[`"), and tells them apart right after it:
// no file may end the daemon, so its assertions are off. With NDEBUG they would be promises to the
// compiler instead.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

#include "config/syntax_hint.h"

namespace oxherd {

namespace {

// So many broken lines are looked for; each costs parsing the file once more.
constexpr std::size_t kMaxSyntaxErrors = 10;

Position PositionOf(const toml::source_position& position) {
  return {static_cast<std::uint32_t>(position.line), static_cast<std::uint32_t>(position.column)};
}

// Descends as deep as the document, which OutlineToml() has bounded.
Value Convert(const toml::node& node);

Table ConvertTable(const toml::table& table) {
  Table result;
  result.entries.reserve(table.size());
  for (const auto& [key, node] : table) {
    const Position position = PositionOf(key.source().begin);
    Value value = Convert(node);
    // A table without a header of its own stands where its name does.
    if (value.position.line == 0) value.position = position;
    result.entries.push_back({std::string(key.str()), position, std::move(value)});
  }
  std::ranges::sort(result.entries, {}, &Entry::position);
  return result;
}

Value Convert(const toml::node& node) {
  Value value{PositionOf(node.source().begin), DateOrTime{}};
  if (const auto* table = node.as_table()) {
    value.content = ConvertTable(*table);
  } else if (const auto* array = node.as_array()) {
    Array items;
    for (const toml::node& item : *array) items.push_back(Convert(item));
    value.content = std::move(items);
  } else if (const auto* text = node.as_string()) {
    value.content = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.content = integer->get();
  } else if (const auto* floating = node.as_floating_point()) {
    value.content = floating->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.content = boolean->get();
  }
  return value;
}

struct SyntaxError {
  Position position;
  std::string message;  // toml++'s
};

std::expected<Table, SyntaxError> Parse(std::string_view text) {
  try {
    return ConvertTable(toml::parse(text));
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        SyntaxError{PositionOf(error.source().begin), std::string(error.description())});
  } catch (const std::exception& error) {  // out of memory, or a limit of the library
    return std::unexpected(SyntaxError{{1, 1}, error.what()});
  }
}

std::string Explain(const SyntaxError& error, std::string_view text, const TomlOutline& outline) {
  const std::uint32_t line = error.position.line;
  std::uint32_t first = std::min(line, static_cast<std::uint32_t>(outline.lines.size()));
  while (first > 1 && outline.lines[first - 1] == LineStart::kContinued) --first;
  if (first < line) {
    return fmt::format("{}; what begins in line {} is perhaps not closed",
                       ExplainSyntax(error.message, {}), first);
  }
  return ExplainSyntax(error.message, LineOf(text, line));
}

std::string ExplainCharacter(const TextProblem& problem, std::string_view text) {
  if (!problem.message.empty()) return problem.message;
  return ExplainSyntax("this character may stand only in quotes or in a comment",
                       LineOf(text, problem.position.line));
}

Position Broken(Position position, std::string_view text) {
  const std::size_t column = BrokenColumn(LineOf(text, position.line), position.column);
  return {position.line, static_cast<std::uint32_t>(column)};
}

// Replaces a broken `key = value` line by spaces. False where the rest of the file would then mean
// something else: a header, or a line that belongs to the one before it.
bool BlankLine(std::string& text, std::uint32_t number, const TomlOutline& outline) {
  if (number == 0 || number > outline.lines.size()) return false;
  if (outline.lines[number - 1] == LineStart::kContinued) return false;
  if (number < outline.lines.size() && outline.lines[number] == LineStart::kContinued) return false;
  const std::string_view line = LineOf(text, number);
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos || line[begin] == '[') return false;
  const auto offset = static_cast<std::size_t>(line.data() - text.data());
  std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(offset), line.size(), ' ');
  return true;
}

}  // namespace

std::expected<Table, std::vector<TextProblem>> ReadToml(std::string_view text) {
  std::string rest(WithoutByteOrderMark(text));
  if (auto problem = CheckEncoding(rest)) return std::unexpected(std::vector{*problem});
  const TomlOutline outline = OutlineToml(rest);

  std::vector<TextProblem> problems;
  for (const TextProblem& problem : outline.problems) {
    problems.push_back({Broken(problem.position, rest), ExplainCharacter(problem, rest)});
    if (problems.size() == kMaxSyntaxErrors || !BlankLine(rest, problem.position.line, outline)) {
      return std::unexpected(std::move(problems));
    }
  }
  while (problems.size() < kMaxSyntaxErrors) {
    auto document = Parse(rest);
    if (document && problems.empty()) return std::move(*document);
    if (document) break;
    const SyntaxError& error = document.error();
    problems.push_back({Broken(error.position, rest), Explain(error, rest, outline)});
    if (!BlankLine(rest, error.position.line, outline)) break;
  }
  return std::unexpected(std::move(problems));
}

}  // namespace oxherd
