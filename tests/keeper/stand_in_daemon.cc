// A daemon without a mind: hands what the keeper gave it to the test, over the socket named by its
// last argument, and then only says which signals it gets, one byte each, until it is killed.
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <span>
#include <string>

#include "keeper/inheritance.h"
#include "os/message_socket.h"

namespace {

int Connect(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  if (socket < 0 || ::connect(socket, plain, sizeof address) < 0) ::_exit(3);
  return socket;
}

}  // namespace

int main(int count, char** words) {
  using namespace oxherd;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t wanted{};
  ::sigemptyset(&wanted);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&wanted, signal);
  ::sigprocmask(SIG_BLOCK, &wanted, nullptr);

  const int test = Connect(words[count - 1]);
  std::string line = std::to_string(::getpid());
  for (int i = 1; i < count; ++i) line += std::string(" ") + words[i];
  const std::array given = {keeper::kKeeperSocket, keeper::kControlSocket, keeper::kHomeLock,
                            keeper::kImage};
  const auto bytes = std::as_bytes(std::span(line.data(), line.size()));
  if (!os::SendMessage(test, bytes, given)) return 4;
  for (const int mine : given) ::close(mine);  // the keeper's socket is the test's from here on
  for (;;) {
    siginfo_t info{};
    if (::sigwaitinfo(&wanted, &info) < 0) continue;
    const auto number = static_cast<std::byte>(info.si_signo);
    if (!os::SendMessage(test, std::span(&number, 1), {})) return 5;
  }
}
