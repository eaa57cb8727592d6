// Collects what is wrong in a file, and what is worth noting, until all of it is known.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "config/config_error.h"
#include "config/value.h"

namespace oxherd {

class ErrorList {
 public:
  // `path` is for messages; `text` must outlive the list: source lines are taken from it.
  ErrorList(std::string path, std::string_view text) { AddFile(std::move(path), text); }

  // One more file that positions may be in; its number, for Position::file. The Oxfile has 0.
  std::uint32_t AddFile(std::string path, std::string_view text);
  // "conf.d/api.toml:3"
  [[nodiscard]] std::string Where(Position position) const;

  void Add(Position position, std::string key, std::string message);
  // In another file than the Oxfile; `source_line` is shown, so it must hold no secret.
  void AddIn(const std::string& file, Position position, std::string key, std::string message,
             std::string source_line);
  void Note(Position position, std::string key, std::string message);

  [[nodiscard]] bool empty() const { return errors_.empty(); }
  // More errors than will be shown: further ones need no hint that costs time.
  [[nodiscard]] bool full() const;

  // Sorted by position, the Oxfile's first, each once, with source lines, at most kMaxConfigErrors
  // and one more that counts the rest.
  [[nodiscard]] std::vector<ConfigError> TakeErrors();
  [[nodiscard]] std::vector<ConfigError> TakeNotes();

 private:
  struct File {
    std::string path;
    std::string_view text;
  };
  [[nodiscard]] ConfigError ErrorAt(Position position, std::string key, std::string message) const;
  void Keep(ConfigError error);

  std::deque<File> files_;  // [0] is the Oxfile

  std::vector<ConfigError> errors_;
  std::size_t not_kept_ = 0;
  std::vector<ConfigError> notes_;
};

}  // namespace oxherd
