// oxherd-keeper: the parent of the daemon and of every instance, which never dies.
//
//   oxherd-keeper --state DIR --runtime DIR --daemon PATH [--foreground] [-- ARGUMENT...]
//
// `oxherd` execs it in place, after making both directories (absolute paths, ours alone, 0700). It
// takes <state>/daemon.lock and writes its pid and the socket's path into it, listens on
// <runtime>/control.sock, and starts PATH as keeper/inheritance.h says, with the ARGUMENTs. It
// keeps its working directory, environment and standard descriptors and closes all others.
// --foreground: when the terminal goes away, that is SIGTERM. Without it, it is nothing.
//
// SIGTERM, SIGINT and SIGHUP go to the daemon; all other signals but SIGKILL and SIGSTOP do
// nothing. Exit code: the daemon's Bye; 1 if the home is taken, the daemon cannot be started at
// all, or somebody insisted while it only crashed; 2 for a wrong command line.
#include <unistd.h>

#include <cstdio>
#include <span>

#include "keeper/arguments.h"
#include "keeper/keeper.h"
#include "os/process.h"

namespace oxherd::keeper {
namespace {

int Fail(int code, const std::string& message) {
  std::fprintf(stderr, "oxherd: %s\n", message.c_str());
  return code;
}

int Main(std::span<char* const> words) {
  ::close_range(3, ~0U,
                0);  // what we were left with by mistake; fails only where it does not exist
  if (const os::SystemStatus blocked = os::BlockAllSignals(); !blocked) {
    return Fail(1, "block signals: " + ErrnoText(blocked.error().number));
  }
  const Result<Arguments> arguments = ParseArguments(words);
  if (!arguments) return Fail(2, "oxherd-keeper: " + arguments.error().message);
  const Result<std::unique_ptr<Keeper>> keeper = Keeper::Open(*arguments);
  if (!keeper) return Fail(1, keeper.error().message);
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
