// watch and what belongs to it: reading, and where the folders are.
#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/rules.h"
#include "config/table_readers.h"
#include "config/watch_pattern.h"

namespace oxherd {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostPatterns = 256;

// One string, or an array of them; each given to `take`, which says if it is fine.
template <typename Take>
std::optional<std::vector<std::string>> ReadWords(const Reading& reading, Take take) {
  std::vector<std::string> words;
  const auto add = [&](const Value& value) {
    auto text = ReadString(reading, value);
    if (!text) return false;
    if (text->empty()) {
      reading.Error(value.position, "an empty text; remove it");
      return false;
    }
    std::optional<std::string> word = take(value, *text);
    if (word) words.push_back(std::move(*word));
    return word.has_value();
  };
  const auto* array = reading.value.As<Array>();
  if (array == nullptr) return add(reading.value) ? std::optional(std::move(words)) : std::nullopt;
  if (array->size() > kMostPatterns) {
    reading.Error(fmt::format("{} of them; at most {}", array->size(), kMostPatterns));
    return std::nullopt;
  }
  bool is_fine = true;
  for (const Value& value : *array) is_fine &= add(value);
  return is_fine ? std::optional(std::move(words)) : std::nullopt;
}

std::optional<std::string> AsItIs(const Value& /*value*/, const std::string& text) { return text; }

}  // namespace

void ReadWatch(const Reading& reading) {
  std::vector<std::string>& paths = reading.draft().spec.watch.paths;
  if (const auto* flag = reading.value.As<bool>()) {
    paths.clear();
    if (*flag) paths.emplace_back(".");
    return;
  }
  const bool is_text = reading.value.As<std::string>() != nullptr;
  if (!is_text && reading.value.As<Array>() == nullptr) {
    return reading.WrongType(reading.value, "true, a path or an array of paths");
  }
  if (auto words = ReadWords(reading, AsItIs)) paths = std::move(*words);
}

void ReadWatchExtensions(const Reading& reading) {
  const auto take = [&](const Value& value, const std::string& text) -> std::optional<std::string> {
    std::string extension = text.substr(text.starts_with("*.") ? 2 : text.starts_with('.'));
    if (!extension.empty() && extension.find_first_of("/*?") == std::string::npos) return extension;
    reading.Error(value.position,
                  fmt::format("\"{}\" is not an extension; write one such as \"js\"", text));
    return std::nullopt;
  };
  if (auto words = ReadWords(reading, take)) {
    reading.draft().spec.watch.extensions = std::move(*words);
  }
}

void ReadWatchIgnore(const Reading& reading) {
  if (auto words = ReadWords(reading, AsItIs))
    reading.draft().spec.watch.ignore = std::move(*words);
}

void ReadIgnoreWatch(const Reading& reading) {
  const auto take = [&](const Value& value, const std::string& text) -> std::optional<std::string> {
    if (auto glob = GlobFromPattern(text)) return glob;
    reading.Error(value.position,
                  fmt::format("\"{}\" is a regular expression without a glob that says the same; "
                              "write one in watch_ignore, such as \"*.log\"",
                              text));
    return std::nullopt;
  };
  if (auto words = ReadWords(reading, take)) reading.draft().spec.watch.ignore = std::move(*words);
}

void FinishWatch(Draft& draft, const RuleContext& context) {
  Spec& spec = draft.spec;
  WatchSpec& watch = spec.watch;
  if (!watch.paths.empty() && spec.policy.type == ServiceType::kOneshot) {
    if (draft.HasOwn("watch")) {
      context.errors.Add(draft.PositionOf("watch"), draft.PathOf("watch"),
                         "a oneshot has nothing to replace; remove this, or type = \"oneshot\"");
    }
    watch.paths.clear();
  }
  for (std::string& path : watch.paths) {
    fs::path whole = (fs::path(spec.working_dir) / path).lexically_normal();
    if (!whole.has_filename() && whole.has_parent_path()) whole = whole.parent_path();
    path = whole.string();
  }
  if (watch.paths.empty()) watch = WatchSpec{};  // an equal spec, whatever else is said of it
}

}  // namespace oxherd
