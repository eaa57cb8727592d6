// The env files of one reading of an Oxfile: each is read once, however many services name it.
#pragma once

#include <map>
#include <string>

#include "config/env_file.h"
#include "config/oxfile.h"

namespace oxherd {

class EnvFiles {
 public:
  explicit EnvFiles(const FileAccess& files) : files_(files) {}

  // False where nothing can be read at all (ParseOxfile() without files).
  [[nodiscard]] bool readable() const { return static_cast<bool>(files_.read); }

  // The file's entries and problems, or why it could not be read.
  [[nodiscard]] const Result<EnvFile>& Get(const std::string& path);

 private:
  const FileAccess& files_;
  std::map<std::string, Result<EnvFile>> known_;
};

}  // namespace oxherd
