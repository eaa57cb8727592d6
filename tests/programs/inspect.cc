// Steps that print what the supervisor has given us.
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include "steps.h"

extern char** environ;

namespace misbehave {
namespace {

// "fd 0 /dev/null", one line for each descriptor that is open but for our own reading of the
// folder.
void PrintFds(Words /*words*/) {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) {
    _exit(71);
  }
  std::string lines;
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name[0] == '.' || name == std::to_string(dirfd(folder))) {
      continue;
    }
    std::string target(4096, '\0');
    const ssize_t length =
        readlink(("/proc/self/fd/" + name).c_str(), target.data(), target.size());
    target.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    lines.append("fd ").append(name).append(" ").append(target).append("\n");
  }
  closedir(folder);
  WriteAll(1, lines);
}

// Blocked, ignored and caught signals, in the words of proc(5).
void PrintSignals(Words /*words*/) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigBlk") || line.starts_with("SigIgn") || line.starts_with("SigCgt")) {
      Say(line);
    }
  }
}

void PrintEnv(Words /*words*/) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  std::sort(variables.begin(), variables.end());
  for (const std::string& variable : variables) {
    Say("env " + variable);
  }
}

void PrintIds(Words /*words*/) {
  Say("pid " + std::to_string(getpid()) + " group " + std::to_string(getpgrp()) + " session " +
      std::to_string(getsid(0)) + " parent " + std::to_string(getppid()));
}

void PrintLimits(Words /*words*/) {
  rlimit files{};
  Need(getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
  std::string oom;
  std::getline(std::ifstream("/proc/self/oom_score_adj") >> std::ws, oom);
  const mode_t mask = umask(0);
  umask(mask);
  Say("open_files " + std::to_string(files.rlim_cur) + " " + std::to_string(files.rlim_max));
  Say("oom_score_adj " + oom);
  Say("umask " + std::to_string(mask));
  Say("nice " + std::to_string(getpriority(PRIO_PROCESS, 0)));
}

void PrintFolder(Words /*words*/) {
  char folder[4096];
  Say(getcwd(folder, sizeof folder) == nullptr ? "no folder" : std::string("folder ") + folder);
}

void PrintWords(Words words) {
  for (const std::string& word : words) {
    Say("word " + word);
  }
}

void ReadStdin(Words /*words*/) {
  std::size_t total = 0;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(0, buffer, sizeof buffer)) > 0;) {
    total += static_cast<std::size_t>(got);
  }
  Say("stdin ended after " + std::to_string(total) + " bytes");
}

constexpr std::array kSteps{
    Step{"print-fds", "", 0, PrintFds},       Step{"print-signals", "", 0, PrintSignals},
    Step{"print-env", "", 0, PrintEnv},       Step{"print-ids", "", 0, PrintIds},
    Step{"print-limits", "", 0, PrintLimits}, Step{"print-folder", "", 0, PrintFolder},
    Step{"print-words", "", 0, PrintWords},   Step{"read-stdin", "", 0, ReadStdin},
};

}  // namespace

std::span<const Step> InspectSteps() { return kSteps; }

}  // namespace misbehave
