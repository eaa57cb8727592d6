// Reads Oxfiles given as text, with env files and folders that exist only in the test.
#pragma once

#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/oxfile.h"
#include "doctest/doctest.h"

namespace oxherd {

struct Surroundings {
  std::map<std::string, std::string> files = {};  // absolute path -> text
  std::set<std::string> folders = {"/srv/app"};
  std::set<std::string> unsafe = {};
  ReadOptions options{.base_environment = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/home/ann"}},
                      .home_dir = "/home/ann",
                      .usable_cpus = 4,
                      .explains_dialect = true};

  [[nodiscard]] FileAccess Access() const {
    return {[this](const std::string& path) -> Result<std::string> {
              const auto found = files.find(path);
              if (found == files.end()) return ErrnoError("open", ENOENT);
              return found->second;
            },
            [this](const std::string& path) { return folders.contains(path); },
            [this](const std::string& folder) { return NamesIn(folder); },
            [this](const std::string& path) {
              return unsafe.contains(path) ? "\"" + path + "\" can be written by others" : "";
            }};
  }

  [[nodiscard]] ReadOutcome Parse(std::string_view text) const {
    return ParseOxfile(text, "/srv/app/Oxfile.toml", options, Access());
  }

  // The file must be valid.
  [[nodiscard]] Oxfile Read(std::string_view text) const {
    auto outcome = Parse(text);
    if (!outcome) FAIL(Render(outcome.error()));
    return *outcome;
  }

  // The spec of its only service.
  [[nodiscard]] Spec ReadOne(std::string_view text) const {
    Oxfile file = Read(text);
    REQUIRE(file.specs.size() == 1);
    return file.specs.front();
  }

  // Every error as "line:column: key: message", without the file's name and the source lines.
  [[nodiscard]] std::string Errors(std::string_view text) const {
    const auto outcome = Parse(text);
    REQUIRE_FALSE(outcome.has_value());
    std::string all;
    for (const ConfigError& error : outcome.error()) all += Short(error) + "\n";
    if (!all.empty()) all.pop_back();
    return all;
  }

  [[nodiscard]] std::string Notes(std::string_view text) const {
    std::string all;
    for (const ConfigError& note : Read(text).notes) all += Short(note) + "\n";
    if (!all.empty()) all.pop_back();
    return all;
  }

 private:
  [[nodiscard]] Result<std::vector<std::string>> NamesIn(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& [path, text] : files) {
      if (path.substr(0, path.rfind('/')) == folder) {
        names.insert(names.begin(), path.substr(path.rfind('/') + 1));  // in no order of use
      }
    }
    if (names.empty()) return ErrnoError("open", ENOENT);
    return names;
  }

  static std::string Short(const ConfigError& error) {
    std::string line = error.Line();
    const std::string prefix = "/srv/app/Oxfile.toml:";
    return line.starts_with(prefix) ? line.substr(prefix.size()) : line;
  }
};

// The Oxfile with one service "api" whose other keys are `keys`.
inline std::string Api(std::string_view keys) {
  return "[processes.api]\ncommand = \"server\"\n" + std::string(keys) + "\n";
}

}  // namespace oxherd
