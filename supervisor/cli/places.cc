#include "cli/places.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "config/find_oxfile.h"
#include "os/file.h"

namespace oxherd::cli {
namespace {

constexpr const char* kRootState = "/var/lib/oxherd";

// Of root's own daemon, also for those who name it by OXHERD_HOME.
Places RootPlaces(Places places) {
  places.state = kRootState;
  places.run = "/run/oxherd";
  places.logs = "/var/log/oxherd";
  return places;
}

constexpr std::size_t kMaxPasswd = 64UL * 1024 * 1024;

std::string_view NextField(std::string_view& line) {
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  line.remove_prefix(colon == std::string_view::npos ? line.size() : colon + 1);
  return field;
}

// The passwd entry's folder as the name service knows it: LDAP, sssd, systemd-homed. A static
// program cannot load those itself.
std::optional<std::string> HomeByGetent(uid_t uid) {
  const std::string command = "getent passwd " + std::to_string(uid) + " 2>/dev/null";
  std::FILE* answer = ::popen(command.c_str(), "re");
  if (answer == nullptr) return std::nullopt;
  std::string text;
  std::array<char, 1024> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), answer)) {
    text.append(buffer.data(), count);
  }
  ::pclose(answer);
  return HomeInPasswd(text, uid);
}

// It is there and ours to write to, or can be made. Source: access(2).
bool CanBeMade(std::string folder) {
  for (;;) {
    if (::access(folder.c_str(), W_OK | X_OK) == 0) return true;
    if (errno != ENOENT || folder.size() <= 1) return false;
    folder.resize(std::max<std::size_t>(folder.rfind('/'), 1));
  }
}

// For who has no folder of its own that can be written: a user without a home, a container whose
// root is read-only. Docker leaves /dev/shm writable even then.
std::optional<std::string> ScratchHome(uid_t uid) {
  for (const std::string folder : {"/tmp", "/dev/shm"}) {
    std::string path = folder + "/oxherd-" + std::to_string(uid);
    if (os::MakePrivateDirectory(path)) return path;  // not what a stranger has put there
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> HomeInPasswd(std::string_view text, uid_t uid) {
  const std::string wanted = std::to_string(uid);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    NextField(line);  // name
    NextField(line);  // password
    if (NextField(line) != wanted) continue;
    NextField(line);  // group
    NextField(line);  // comment
    const std::string_view home = NextField(line);
    if (home.starts_with('/')) return std::string(home);
  }
  return std::nullopt;
}

Places PlacesFor(uid_t uid, std::string_view home, std::string_view override_home,
                 std::string_view folder) {
  Places places;
  places.home = std::string(home);
  places.uid = uid;
  if (!override_home.empty()) {
    places.state = override_home.starts_with('/')
                       ? override_home
                       : std::string(folder) + "/" + std::string(override_home);
    while (places.state.size() > 1 && places.state.ends_with('/')) places.state.pop_back();
    if (places.state == kRootState) return RootPlaces(std::move(places));
    places.run = places.state + "/run";
    places.logs = places.state + "/logs";
    return places;
  }
  places.own_oxfile = OwnOxfilePath(uid, places.home);
  if (uid == 0) return RootPlaces(std::move(places));
  places.state = std::string(home) + "/.local/state/oxherd";
  places.run = places.state + "/run";
  places.logs = places.state + "/logs";
  return places;
}

Result<Places> FindPlaces() {
  const uid_t uid = ::geteuid();
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
  const char* variable = std::getenv("OXHERD_HOME");
  const std::string_view override_home = variable == nullptr ? "" : variable;
  std::optional<std::string> home;
  if (const auto text = os::ReadFile("/etc/passwd", kMaxPasswd)) home = HomeInPasswd(*text, uid);
  if (!home && override_home.empty()) home = HomeByGetent(uid);
  if (!home && uid == 0) home = "/root";
  std::string folder;
  if (!override_home.empty() && !override_home.starts_with('/')) {
    OXHERD_TRY_ASSIGN(folder, WorkingFolder());
  }
  Places places = PlacesFor(uid, home.value_or("/"), override_home, folder);
  const bool is_usable = !override_home.empty() || (home && CanBeMade(places.state));
  if (is_usable) return places;
  if (const auto scratch = ScratchHome(uid)) {
    return PlacesFor(uid, home.value_or("/"), *scratch, folder);
  }
  if (home) return places;  // whoever makes the folders says what is wrong with them
  return MakeError("user " + std::to_string(uid) +
                   " has no home folder in the passwd database; set OXHERD_HOME=DIR");
}

Status MakePlaces(const Places& places) {
  for (const std::string* folder : {&places.state, &places.run, &places.logs}) {
    if (auto made = os::MakePrivateDirectory(*folder); !made) {
      return MakeError("cannot use " + *folder + ": " + made.error().message +
                       "; OXHERD_HOME=DIR puts everything under DIR");
    }
  }
  return {};
}

Result<std::string> WorkingFolder() {
  std::string folder(4096, '\0');
  if (::getcwd(folder.data(), folder.size()) == nullptr) {
    return ErrnoError("the folder that this was typed in");
  }
  folder.resize(folder.find('\0'));
  return folder;
}

}  // namespace oxherd::cli
