// The least that any supervisor could do, for `./dev bench`: starts COUNT ticks and starts again
// whichever dies. It knows nothing of logs, of stopping or of who asks. usage: floor COUNT TICK
// FIFO
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

pid_t Start(char* tick, char* fifo, std::size_t place) {
  std::string name = "p" + std::to_string(place);
  char* arguments[] = {tick, fifo, name.data(), nullptr};
  pid_t pid = 0;
  return posix_spawn(&pid, tick, nullptr, nullptr, arguments, environ) == 0 ? pid : -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  std::vector<pid_t> pids(std::strtoul(argv[1], nullptr, 10));
  for (std::size_t i = 0; i < pids.size(); ++i) pids[i] = Start(argv[2], argv[3], i);
  for (;;) {
    const pid_t gone = wait(nullptr);
    for (std::size_t i = 0; i < pids.size(); ++i) {
      if (pids[i] == gone) pids[i] = Start(argv[2], argv[3], i);
    }
  }
}
