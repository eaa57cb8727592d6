// oxherd-keeper: the parent of the daemon and of every instance, which never dies.
//
//   oxherd-keeper --state DIR --runtime DIR --daemon PATH [--foreground] [--estate N]
//     [-- ARGUMENT...]
//   oxherd-keeper --check FILE
//
// `oxherd` execs it in place, after making both directories (absolute paths, ours alone, 0700). It
// takes <state>/daemon.lock and writes its pid and the socket's path into it, listens on
// <runtime>/control.sock, and starts PATH as keeper/inheritance.h says, with the ARGUMENTs. It
// keeps its working directory, environment and standard descriptors and closes all others.
// What an earlier keeper has left in <runtime>/instances, or in the memfd --estate, it goes on
// with.
// --foreground: when the terminal goes away, that is SIGTERM. Without it, it is nothing.
//
// SIGTERM, SIGINT and SIGHUP go to the daemon; all other signals but SIGKILL and SIGSTOP do
// nothing. Exit code: the daemon's Bye; 1 if the home is taken, the daemon cannot be started at
// all, or somebody insisted while it only crashed; 2 for a wrong command line.
#include <unistd.h>

#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "keeper/arguments.h"
#include "keeper/keeper.h"
#include "keeper/succession.h"
#include "os/file.h"
#include "os/process.h"

namespace oxherd::keeper {
namespace {

void Say(const std::string& message) { std::fprintf(stderr, "oxherd: %s\n", message.c_str()); }

int Fail(int code, const std::string& message) {
  Say(message);
  return code;
}

// For an upgrade: whether this program can go on with what another one has written down. Says
// which protocol it speaks with its daemon.
int CheckEstate(const char* path) {
  constexpr std::size_t kMostBytes = std::size_t{32} << 20;
  const Result<std::string> bytes = os::ReadFile(path, kMostBytes);
  if (!bytes) return Fail(1, bytes.error().message);
  const Result<Estate> estate = DecodeEstate(std::as_bytes(std::span(*bytes)));
  if (!estate) return Fail(1, std::string(path) + ": " + estate.error().message);
  if (estate->damaged != 0) return Fail(1, std::string(path) + ": it is damaged");
  std::printf("protocol %d\n", static_cast<int>(kProtocolVersion));
  return 0;
}

int Main(std::span<char* const> words) {
  if (words.size() == 3 && std::string_view(words[1]) == "--check") return CheckEstate(words[2]);
  const Result<Arguments> arguments = ParseArguments(words);
  if (!arguments) return Fail(2, "oxherd-keeper: " + arguments.error().message);
  // What we were left with by mistake; fails only where it does not exist. An estate names what is
  // meant, and whoever leaves one marks the rest close-on-exec.
  if (arguments->estate < 0) ::close_range(3, ~0U, 0);
  if (const os::SystemStatus blocked = os::BlockAllSignals(); !blocked) {
    return Fail(1, "block signals: " + ErrnoText(blocked.error().number));
  }
  const Result<std::unique_ptr<Keeper>> keeper = Keeper::Open(*arguments);
  if (!keeper) return Fail(1, keeper.error().message);
  for (const std::string& warning : (*keeper)->warnings()) Say(warning);
  const int code = (*keeper)->Run();
  if (const int number = (*keeper)->start_failure(); number != 0) {
    return Fail(code, "cannot start the daemon " + arguments->daemon + ": " + ErrnoText(number));
  }
  return code;
}

}  // namespace
}  // namespace oxherd::keeper

int main(int count, char** words) {
  return oxherd::keeper::Main(std::span(words, static_cast<std::size_t>(count)));
}
