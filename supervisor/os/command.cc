#include "os/command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {
namespace {

constexpr std::size_t kMostKept = std::size_t{64} * 1024;

std::string ReadToEnd(const Fd& pipe) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t count = Try([&] { return ::read(pipe.get(), buffer.data(), buffer.size()); });
    if (count <= 0) break;
    text.append(buffer.data(), std::min(static_cast<std::size_t>(count), kMostKept - text.size()));
  }
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

Result<CommandOutcome> RunCommand(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return ErrnoError("make a pipe");
  const Fd reading(ends[0]);
  Fd writing(ends[1]);

  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, writing.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, writing.get(), 2);
  pid_t pid = 0;
  const int failure =
      ::posix_spawnp(&pid, words.front().c_str(), &actions, nullptr, arguments.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return ErrnoError(words.front(), failure);
  writing.Reset();
  CommandOutcome outcome;
  outcome.output = ReadToEnd(reading);
  int status = 0;
  if (Try([&] { return ::waitpid(pid, &status, 0); }) < 0) return ErrnoError(words.front());
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

}  // namespace oxherd::os
