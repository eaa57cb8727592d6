#include "config/error_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "config/oxfile.h"
#include "config/text_check.h"

namespace oxherd {

namespace {

// Kept so that the first by position can be shown; a file of nothing but errors has a million.
constexpr std::size_t kKept = 10 * kMaxConfigErrors;

}  // namespace

bool ErrorList::full() const { return errors_.size() > kMaxConfigErrors; }

void ErrorList::Keep(ConfigError error) {
  if (errors_.size() < kKept) {
    errors_.push_back(std::move(error));
  } else {
    ++not_kept_;
  }
}

std::uint32_t ErrorList::AddFile(std::string path, std::string_view text) {
  files_.push_back({std::move(path), text});
  return static_cast<std::uint32_t>(files_.size() - 1);
}

std::string ErrorList::Where(Position position) const {
  return fmt::format("{}:{}", files_[position.file].path, position.line);
}

ConfigError ErrorList::ErrorAt(Position position, std::string key, std::string message) const {
  return {files_[position.file].path,
          position.line,
          position.column,
          std::move(key),
          std::move(message),
          {}};
}

void ErrorList::Add(Position position, std::string key, std::string message) {
  errors_.push_back(ErrorAt(position, std::move(key), std::move(message)));
}

void ErrorList::AddIn(const std::string& file, Position position, std::string key,
                      std::string message, std::string source_line) {
  Keep({file, position.line, position.column, std::move(key), std::move(message),
        std::move(source_line)});
}

void ErrorList::Note(Position position, std::string key, std::string message) {
  if (notes_.size() >= kKept) return;
  notes_.push_back(ErrorAt(position, std::move(key), std::move(message)));
}

namespace {

// What [defaults] says wrongly is found once for every service: the place and the words are the
// same.
void SortAndUnite(std::vector<ConfigError>& errors, const std::string& oxfile) {
  const auto place = [&oxfile](const ConfigError& error) {
    return std::tuple(error.file != oxfile, std::string_view(error.file), error.line, error.column,
                      std::string_view(error.message));
  };
  std::ranges::stable_sort(errors, {}, place);
  const auto rest = std::ranges::unique(errors, {}, place);
  errors.erase(rest.begin(), rest.end());
}

}  // namespace

std::vector<ConfigError> ErrorList::TakeErrors() {
  const std::string& oxfile = files_.front().path;
  SortAndUnite(errors_, oxfile);
  if (errors_.size() + not_kept_ > kMaxConfigErrors) {
    const std::size_t more = errors_.size() + not_kept_ - kMaxConfigErrors;
    errors_.resize(kMaxConfigErrors);
    errors_.push_back({oxfile, 0, 0, {}, fmt::format("{} more errors are not shown", more), {}});
  }
  for (ConfigError& error : errors_) {
    const auto file = std::ranges::find(files_, error.file, &File::path);
    if (file != files_.end()) error.source_line = LineOf(file->text, error.line);
  }
  return std::exchange(errors_, {});
}

std::vector<ConfigError> ErrorList::TakeNotes() {
  SortAndUnite(notes_, files_.front().path);
  return std::exchange(notes_, {});
}

}  // namespace oxherd
