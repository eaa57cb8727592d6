#include "os/background_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "os/process.h"

namespace oxherd::os {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> WithProgram(const std::string& path,
                                     const std::vector<std::string>& arguments) {
  std::vector<std::string> words{path};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

// What posix_spawn(3) does in the child; its calls fail only without memory.
class ChildSetUp {
 public:
  ChildSetUp(const std::string& output, int passed) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, 1, output.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    ::posix_spawn_file_actions_adddup2(&actions_, 1, 2);
    if (passed >= 0) ::posix_spawn_file_actions_adddup2(&actions_, passed, passed);
    ::posix_spawn_file_actions_addchdir_np(&actions_, "/");
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~ChildSetUp() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  ChildSetUp(const ChildSetUp&) = delete;
  ChildSetUp& operator=(const ChildSetUp&) = delete;

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<Fd> StartInBackground(const BackgroundProgram& program) {
  const ChildSetUp set_up(program.output, program.passed);
  const std::vector<std::string> words = WithProgram(program.path, program.arguments);
  pid_t pid = 0;
  const int failure =
      ::posix_spawn(&pid, program.path.c_str(), set_up.actions(), set_up.attributes(),
                    Pointers(words).data(), Pointers(program.environment).data());
  if (failure != 0) return ErrnoError("start " + program.path, failure);
  auto pidfd = OpenPidfd(Pid(pid));
  if (!pidfd) return ToError("watch " + program.path, pidfd.error());
  return std::move(*pidfd);
}

Error Become(const std::string& path, const std::vector<std::string>& arguments) {
  const std::vector<std::string> words = WithProgram(path, arguments);
  ::execv(path.c_str(), Pointers(words).data());
  return ErrnoError("start " + path).error();
}

}  // namespace oxherd::os
