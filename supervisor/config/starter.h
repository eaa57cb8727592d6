// A first Oxfile for a folder: what `init` writes, from package.json, Procfile or manage.py.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace oxherd {

// How the folder is looked at; names are relative to it.
struct FolderView {
  std::string name;  // of the folder
  std::function<std::optional<std::string>(const std::string& file)> read;
  std::function<bool(const std::string& file)> has;
  // A folder in it with a file of this name; empty: none.
  std::function<std::string(const std::string& file)> folder_with;
};

struct Starter {
  std::string text;   // the Oxfile, with comments
  std::string found;  // what it was made from: "package.json"; empty: nothing, and it is a sample
};

// A Procfile says most, then package.json, then manage.py.
[[nodiscard]] Starter MakeStarter(const FolderView& folder);

}  // namespace oxherd
