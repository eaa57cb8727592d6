#include "cli/connection/daemon_start.h"

#include <unistd.h>

#include <array>
#include <chrono>

#include "config/environment.h"
#include "os/background_program.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"

namespace oxherd::cli {
namespace {

constexpr Millis kPatience{5000};
constexpr std::size_t kMaxOutput = 16UL * 1024 * 1024;

struct Programs {
  std::string keeper;
  std::string daemon;
};

Result<Programs> FindPrograms() {
  Programs programs;
  OXHERD_TRY_ASSIGN(programs.keeper, FindProgram("oxherd-keeper"));
  OXHERD_TRY_ASSIGN(programs.daemon, FindProgram("oxherd-daemon"));
  return programs;
}

// keeper/arguments.h and daemon/arguments.h say what these are.
std::vector<std::string> KeeperArguments(const Places& places, const Programs& programs) {
  return {"--state", places.state, "--runtime", places.run, "--daemon", programs.daemon};
}

// What crashes on the way up has nobody else to tell: the keeper's and the daemon's stderr.
std::string OutputOf(const Places& places) { return places.logs + "/daemon.err.log"; }

std::string ReadOutput(const Places& places) {
  return os::ReadFile(OutputOf(places), kMaxOutput).value_or("");
}

// The last line of what was said since `before`.
std::string LastWords(const Places& places, std::size_t before) {
  std::string text = ReadOutput(places);
  if (text.size() < before) before = 0;
  text.erase(0, before);
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

std::vector<std::string> DaemonEnvironment(const std::vector<EnvEntry>& caller) {
  std::vector<std::string> words;
  const auto add = [&](const EnvEntry& entry) {
    words.push_back(entry.first);
    words.back() += '=';
    words.back() += entry.second;
  };
  for (const EnvEntry& entry : BaseEnvironment(caller)) add(entry);
  // A switch for tests and odd machines; the keeper does not hand it on.
  for (const EnvEntry& entry : caller) {
    if (entry.first == "OXHERD_NO_CGROUP") add(entry);
  }
  return words;
}

std::unexpected<NotConnected> NotStarted(const std::string& why) {
  return std::unexpected(NotConnected{NotConnected::Kind::kRefused, why});
}

}  // namespace

Result<std::string> FindProgram(std::string_view name) {
  Result<std::string> path = os::FindInstalled(name);
  if (path) return path;
  return MakeError(path.error().message + "; install all programs of Oxherd in one folder");
}

std::expected<Connection, NotConnected> StartDaemon(const Places& places,
                                                    const std::vector<EnvEntry>& environment) {
  const auto programs = FindPrograms();
  if (!programs) return NotStarted(programs.error().message);
  if (const auto made = MakePlaces(places); !made) return NotStarted(made.error().message);
  const std::size_t before = ReadOutput(places).size();
  os::BackgroundProgram keeper;
  keeper.path = programs->keeper;
  keeper.arguments = KeeperArguments(places, *programs);
  keeper.arguments.insert(keeper.arguments.end(), {"--", "--logs", places.logs});
  keeper.environment = DaemonEnvironment(environment);
  keeper.output = OutputOf(places);
  const auto started = os::StartInBackground(keeper);
  if (!started) return NotStarted(started.error().message);
  auto connection = ConnectWhenThere(places, os::Now() + kPatience, started->get());
  if (connection || connection.error().kind == NotConnected::Kind::kRefused) return connection;
  const std::string words = LastWords(places, before);
  return NotStarted("the daemon for " + places.state +
                    " did not start: " + (words.empty() ? "see " + OutputOf(places) : words));
}

Error BecomeKeeper(const Places& places, const std::vector<std::string>& daemon_words) {
  const auto programs = FindPrograms();
  if (!programs) return programs.error();
  if (const auto made = MakePlaces(places); !made) return made.error();
  std::vector<std::string> arguments = KeeperArguments(places, *programs);
  arguments.insert(arguments.end(), {"--foreground", "--", "--logs", places.logs});
  arguments.insert(arguments.end(), daemon_words.begin(), daemon_words.end());
  return os::Become(programs->keeper, arguments);
}

}  // namespace oxherd::cli
