#include "tests/e2e/processes.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/temporary.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();  // what cannot be read (the process is gone) is no more than the end
  return text.str();
}

std::string LinkTarget(const fs::path& path) {
  std::error_code gone;
  return fs::read_symlink(path, gone).string();
}

struct Stat {
  char state = '?';
  pid_t parent = 0;
};

Stat StatOf(pid_t pid) {
  const std::string text = ReadAll("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t end_of_name = text.rfind(')');
  Stat stat;
  if (end_of_name != std::string::npos && end_of_name + 4 < text.size()) {
    stat.state = text[end_of_name + 2];
    stat.parent = static_cast<pid_t>(std::strtol(text.c_str() + end_of_name + 4, nullptr, 10));
  }
  return stat;
}

std::vector<pid_t> AllPids() {
  std::vector<pid_t> pids;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name[0])) != 0) {
      pids.push_back(static_cast<pid_t>(std::stol(name)));
    }
  }
  return pids;
}

}  // namespace

std::vector<Process> ProcessesOf(const fs::path& folder) {
  std::vector<Process> found;
  for (const pid_t pid : test::ProcessesThatName(folder)) {
    const fs::path program = LinkTarget("/proc/" + std::to_string(pid) + "/exe");
    const char state = StatOf(pid).state;
    if (state != 'Z') {
      found.push_back({pid, program.filename(), state});
    }
  }
  return found;
}

std::vector<Process> ZombiesOf(const fs::path& folder) {
  const auto living = ProcessesOf(folder);
  std::vector<Process> found;
  for (const pid_t pid : AllPids()) {
    const Stat stat = StatOf(pid);
    const bool ours = std::any_of(living.begin(), living.end(), [&](const Process& process) {
      return process.pid == stat.parent;
    });
    if (stat.state == 'Z' && ours) {
      found.push_back({pid, "", 'Z'});
    }
  }
  return found;
}

bool IsAlive(pid_t pid) {
  const char state = StatOf(pid).state;
  return pid > 0 && state != '?' && state != 'Z' && state != 'X';
}

pid_t ParentOf(pid_t pid) { return StatOf(pid).parent; }

Watched::Watched(pid_t pid)
    : fd_(pid > 0 ? static_cast<int>(syscall(SYS_pidfd_open, pid, 0)) : -1), pid_(pid) {
  if (fd_ < 0) {
    FAIL("no process " << pid);
  }
}

Watched::~Watched() { close(fd_); }

void Watched::Signal(int number) const { syscall(SYS_pidfd_send_signal, fd_, number, nullptr, 0); }

bool Watched::ended() const {
  pollfd waiting{fd_, POLLIN, 0};
  return poll(&waiting, 1, 0) > 0;
}

SteadyClock::time_point Watched::WaitForEnd(milliseconds deadline) const {
  pollfd waiting{fd_, POLLIN, 0};
  if (poll(&waiting, 1, static_cast<int>((deadline * kPatience).count())) <= 0) {
    FAIL("process " << pid_ << " still lives after " << deadline.count() << " ms");
  }
  return SteadyClock::now();
}

}  // namespace oxherd::e2e
