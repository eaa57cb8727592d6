// A directory for one test, and helpers to look at our own descriptors.
#pragma once

#include <dirent.h>
#include <doctest/doctest.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/temporary.h"

namespace oxherd::os {

class Scratch {
 public:
  Scratch() : path_(test::MakeTemporaryFolder("os")) {}
  ~Scratch() {
    ::nftw(
        path_.c_str(),
        [](const char* file, const struct stat*, int, FTW*) { return ::remove(file); }, 8,
        FTW_DEPTH | FTW_PHYS);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// How many descriptors we have open.
inline int OpenDescriptors() {
  DIR* folder = ::opendir("/proc/self/fd");
  REQUIRE(folder != nullptr);
  int count = 0;
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

inline mode_t ModeOf(const std::string& path) {
  struct stat about{};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

}  // namespace oxherd::os
