#include "tests/temporary.h"

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cctype>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

namespace oxherd::test {
namespace {

namespace fs = std::filesystem;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();  // what cannot be read (the process is gone) is no more than the end
  return text.str();
}

// The clock tick in which it was started (proc(5), field 22); empty: there is no such process.
std::string StartOf(const std::string& pid) {
  const std::string text = ReadAll("/proc/" + pid + "/stat");
  const std::size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) {
    return {};
  }
  std::istringstream fields(text.substr(end_of_name + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) {
    fields >> field;
  }
  return field;
}

bool IsNumber(const std::string& text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  return std::from_chars(text.data(), end, number).ptr == end && !text.empty();
}

// "oxherd-KIND.PID.START.XXXXXX" of somebody who is no more.
bool IsOfTheDead(const std::string& name) {
  std::istringstream parts(name);
  std::string kind;
  std::string pid;
  std::string start;
  std::getline(parts, kind, '.');
  std::getline(parts, pid, '.');
  std::getline(parts, start, '.');
  if (!kind.starts_with("oxherd-") || !IsNumber(pid) || !IsNumber(start)) {
    return false;
  }
  return StartOf(pid) != start;
}

void UnmountBelow(const fs::path& folder) {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, at, rest; mounts >> device >> at && std::getline(mounts, rest);) {
    if (at.starts_with(folder.string())) {
      umount2(at.c_str(), MNT_DETACH);
    }
  }
}

void RemoveEmptyCgroups(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory(error)) {
      RemoveEmptyCgroups(entry.path());
    }
  }
  rmdir(folder.c_str());  // one with processes stays
}

// A keeper's folder is called by its pid, "oxherd-123".
void ClearCgroups(const fs::path& ours) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(ours, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("oxherd-") && IsNumber(name.substr(7)) &&
        StartOf(name.substr(7)).empty()) {
      RemoveEmptyCgroups(entry.path());
    }
  }
}

}  // namespace

std::vector<pid_t> ProcessesThatName(const fs::path& folder) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name[0])) == 0 ||
        name == std::to_string(getpid())) {
      continue;
    }
    std::error_code gone;
    const auto names = [&](const std::string& text) {
      return text.find(folder.string()) != std::string::npos;
    };
    if (names(fs::read_symlink(entry.path() / "cwd", gone)) ||
        names(ReadAll(entry.path() / "cmdline")) || names(ReadAll(entry.path() / "environ"))) {
      found.push_back(static_cast<pid_t>(std::stol(name)));
    }
  }
  return found;
}

fs::path CgroupOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) {
      const std::string below = line.substr(3);
      for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        if (fs::exists(std::string(root) + "/cgroup.procs") &&
            fs::exists(root + below + "/cgroup.procs")) {
          return root + below;
        }
      }
    }
  }
  return {};
}

void ClearLeftovers(const fs::path& where) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(where, error)) {
    const fs::path& folder = entry.path();
    if (!IsOfTheDead(folder.filename())) {
      continue;
    }
    // Whoever is told of the death of another may start a third.
    for (auto left = ProcessesThatName(folder); !left.empty(); left = ProcessesThatName(folder)) {
      for (const pid_t pid : left) {
        if (kill(pid, SIGKILL) != 0 && errno == EPERM) {
          return;  // somebody else's folder
        }
      }
    }
    UnmountBelow(folder);
    fs::remove_all(folder, error);
  }
  if (const fs::path ours = CgroupOf(getpid()); !ours.empty()) {
    ClearCgroups(ours);
  }
}

fs::path MakeTemporaryFolder(const std::string& kind) {
  static const bool kIsCleared = (ClearLeftovers(fs::temp_directory_path()), true);
  static_cast<void>(kIsCleared);
  const std::string pid = std::to_string(getpid());
  std::string name =
      fs::temp_directory_path() / ("oxherd-" + kind + "." + pid + "." + StartOf(pid) + ".XXXXXX");
  REQUIRE(mkdtemp(name.data()) != nullptr);
  return fs::canonical(name);
}

}  // namespace oxherd::test
