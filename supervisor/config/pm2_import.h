// PM2's ecosystem files and its dump, said as an Oxfile.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/value.h"

namespace oxherd {

struct Pm2Source {
  std::string name;    // of the file, for the first line: "ecosystem.config.js"
  std::string folder;  // absolute: what its relative paths mean
  std::string target;  // absolute: the folder that the Oxfile will stand in
  // Whether there is a file; a program of that name on PATH is meant where there is none.
  std::function<bool(const std::string& path)> is_file;
};

struct Pm2Import {
  std::string text;                   // the Oxfile
  std::vector<std::string> warnings;  // what a person must look at, one line each
};

// The module of an ecosystem file: { apps: […] }, an array of apps, or one app. What has no
// equivalent becomes a comment, and so does what this version does not support yet. Fails where
// there is no app, or one without a script: `apps[1]: no script`.
[[nodiscard]] Result<Pm2Import> OxfileFromEcosystem(const Value& content, const Pm2Source& source);

// What `pm2 save` wrote: the processes, those of one name as instances; PM2's own variables and
// those of the shell are left out and listed.
[[nodiscard]] Result<Pm2Import> OxfileFromDump(const Value& dump, const Pm2Source& source);

// True for the variables that PM2 and a shell put into everybody's environment.
[[nodiscard]] bool IsShellOrPm2Name(std::string_view name);

}  // namespace oxherd
