#include "daemon/commands/spec_sources.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "config/config_error.h"
#include "os/own_process.h"

namespace oxherd {
namespace {

constexpr std::string_view kPath = "PATH";

// Meant for us, not for our children; what an instance gets of these it gets anew.
bool IsOurOwn(std::string_view name) {
  constexpr std::array<std::string_view, 8> kNames = {
      "NOTIFY_SOCKET", "INVOCATION_ID",  "JOURNAL_STREAM", "LISTEN_FDS",
      "LISTEN_PID",    "LISTEN_FDNAMES", "WATCHDOG_PID",   "WATCHDOG_USEC"};
  return name.starts_with("OXHERD_") || std::ranges::find(kNames, name) != kNames.end();
}

std::string HomeFolder() {
  std::array<char, 16384> buffer{};
  struct passwd entry{};
  struct passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr && found->pw_dir != nullptr) {
    return found->pw_dir;
  }
  return "/";
}

const Spec* FindSpec(std::span<const Spec> specs, std::string_view name) {
  const auto found = std::ranges::find(specs, name, &Spec::name);
  return found == specs.end() ? nullptr : &*found;
}

}  // namespace

Surroundings SurroundingsOfThisProcess() {
  Surroundings surroundings;
  for (EnvEntry& variable : os::OwnEnvironment()) {
    if (!IsOurOwn(variable.first)) surroundings.base.push_back(std::move(variable));
  }
  std::ranges::sort(surroundings.base);
  surroundings.home_folder = HomeFolder();
  surroundings.usable_cpus = os::UsableCpus();
  return surroundings;
}

ProfileWish ProfilesOf(const State& state, std::string_view path) {
  ProfileWish profiles;
  for (const Service& service : state.services) {
    const Spec& spec = service.spec();
    if (spec.source_file == path && spec.profile) {
      profiles.remembered.emplace(service.name, *spec.profile);
    }
  }
  return profiles;
}

std::expected<Oxfile, RenderedErrors> LoadOxfile(const std::string& path,
                                                 const Surroundings& surroundings,
                                                 ProfileWish profiles) {
  ReadOutcome outcome = ReadOxfile(path, {.base_environment = surroundings.base,
                                          .home_dir = surroundings.home_folder,
                                          .usable_cpus = surroundings.usable_cpus,
                                          .profile = std::move(profiles.asked),
                                          .remembered_profiles = std::move(profiles.remembered)});
  if (outcome) return std::move(*outcome);
  RenderedErrors errors;
  for (const ConfigError& error : outcome.error()) errors.push_back(error.Render());
  return std::unexpected(std::move(errors));
}

void StorePath(Spec& spec, std::string_view path) {
  std::string literal;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '$' && i + 1 < path.size() && path[i + 1] == '{') literal += '$';
    literal += path[i];
  }
  spec.env.insert(spec.env.begin(), EnvEntry(kPath, std::move(literal)));
}

bool KeepStoredPath(Spec& spec, const Spec& earlier) {
  if (earlier.env.empty() || earlier.env.front().first != kPath) return false;
  spec.env.insert(spec.env.begin(), earlier.env.front());
  return true;
}

std::vector<const Spec*> WithDependencies(std::span<const Spec> specs,
                                          std::span<const std::string> names) {
  std::set<std::string_view> wanted;
  std::vector<std::string_view> to_visit(names.begin(), names.end());
  while (!to_visit.empty()) {
    const std::string_view name = to_visit.back();
    to_visit.pop_back();
    const Spec* const spec = FindSpec(specs, name);
    if (spec == nullptr || !wanted.insert(spec->name).second) continue;
    for (const Dependency& dependency : spec->policy.depends_on) {
      to_visit.push_back(dependency.service);
    }
  }
  std::vector<const Spec*> chosen;
  for (const Spec& spec : specs) {
    if (wanted.contains(spec.name)) chosen.push_back(&spec);
  }
  return chosen;
}

}  // namespace oxherd
