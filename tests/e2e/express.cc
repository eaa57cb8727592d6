#include "tests/e2e/express.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "tests/e2e/http.h"

extern char** environ;

namespace oxherd::e2e {
namespace {

bool IsOnPath(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access(folder.append("/").append(program).c_str(), X_OK) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool HasNode() { return IsOnPath("node"); }

bool ExpressCanRun() {
  if (!HasNode() || !IsOnPath("npm")) {
    MESSAGE("skipped: no node and npm on the PATH");
    return false;
  }
  if (!IsFree(4000) || !IsFree(4001)) {
    MESSAGE("skipped: something else listens on port 4000 or 4001");
    return false;
  }
  return true;
}

void InstallExpress(const Home& home) {
  home.CopyFromSource("examples/express");
  Invocation install{{"/bin/sh", "-c", "npm ci --no-audit --no-fund --prefer-offline"},
                     home.folder().string(),
                     {},
                     [] {}};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    install.environment.emplace_back(*variable);
  }
  const Outcome installed = Command(install).Wait(seconds(120));
  REQUIRE_MESSAGE(installed.exit_code == 0, "npm ci said: " << installed.all());
}

}  // namespace oxherd::e2e
