// Which changes in a watched folder count: extensions, what is ignored by name, and by default.
//
// Pure: paths come in, relative to the folder that is watched ("src/app.js", no "./").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/spec.h"

namespace oxherd {

// `*` stands for anything within a name, `**` for anything at all, `?` for one character, `[a-c]`
// for one of those.
[[nodiscard]] bool MatchesGlob(std::string_view glob, std::string_view text);

class WatchFilter {
 public:
  // Ignored by default: at any depth.
  static constexpr std::string_view kIgnored[] = {"node_modules", "__pycache__"};

  WatchFilter() = default;
  // A glob without a slash is about names at any depth, one with a slash (in front, if nowhere
  // else) about the path from the watched folder on; what lies in a folder that it means is ignored
  // too.
  explicit WatchFilter(const WatchSpec& spec);

  // What lies in this folder does not count: it is never looked into.
  [[nodiscard]] bool IgnoresFolder(std::string_view path) const;
  // A change of this file is one.
  [[nodiscard]] bool CountsFile(std::string_view path) const;

 private:
  [[nodiscard]] bool Ignores(std::string_view path) const;

  std::vector<std::string> extensions_;
  struct Glob {
    std::string text;
    bool is_path = false;  // else it is about names
  };
  std::vector<Glob> ignore_;
};

}  // namespace oxherd
