// oxherd-daemon: what the keeper starts, and starts again. See daemon.h; the command line is in
// arguments.h, the descriptors it is started with in keeper/inheritance.h.
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>

#include <cstdio>
#include <span>
#include <string>

#include "daemon/daemon.h"
#include "daemon/memory_reserve.h"
#include "daemon/upgrade.h"
#include "keeper/inheritance.h"
#include "os/process.h"

namespace oxherd {
namespace {

int Fail(int code, const std::string& message) {
  std::fprintf(stderr, "oxherd-daemon: %s\n", message.c_str());
  return code;
}

os::Fd Inherit(int number) {
  fcntl(number, F_SETFD, FD_CLOEXEC);
  return os::Fd(number);
}

// One arena: memory that one thread gives back serves the other two.
void KeepMemorySmall() {
  // NOLINTBEGIN(concurrency-mt-unsafe): before there is a second thread
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, 128 * 1024);
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  // NOLINTEND(concurrency-mt-unsafe)
}

int Main(std::span<char* const> words) {
  KeepMemorySmall();
  InstallMemoryReserve();
  umask(S_IRWXG | S_IRWXO);
  Result<Arguments> arguments = ParseArguments(words);
  if (!arguments) return Fail(2, arguments.error().message);
  if (arguments->check_image) return CheckImage(*arguments->check_image);
  if (fcntl(keeper::kKeeperSocket, F_GETFD) < 0 || fcntl(keeper::kImage, F_GETFD) < 0) {
    return Fail(2, "it is started by oxherd-keeper; use: oxherd daemon run");
  }
  if (const os::SystemStatus blocked = os::BlockAllSignals(); !blocked) {
    return Fail(1, "block signals: " + ErrnoText(blocked.error().number));
  }
  // Clients, pipes and probes together may need many; where it fails, fewer have to do.
  [[maybe_unused]] const auto raised = os::RaiseOpenFiles();
  auto daemon = Daemon::Start(std::move(*arguments), {.keeper = Inherit(keeper::kKeeperSocket),
                                                      .control = Inherit(keeper::kControlSocket),
                                                      .lock = Inherit(keeper::kHomeLock),
                                                      .image = Inherit(keeper::kImage)});
  if (!daemon) return Fail(1, daemon.error().message);
  return (*daemon)->Run();
}

}  // namespace
}  // namespace oxherd

int main(int count, char** words) {
  return oxherd::Main(std::span(words, static_cast<std::size_t>(count)));
}
