// The Oxfiles behind the services: read whole, validated, frozen, or refused with every error.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/oxfile.h"
#include "core/event.h"
#include "core/spec.h"
#include "core/state.h"

namespace oxherd {

// What the meaning of an Oxfile depends on besides its text: the same for the daemon's whole life.
struct Surroundings {
  std::vector<EnvEntry> base;  // the environment that instances start from
  std::string home_folder;     // of the passwd entry
  std::uint16_t usable_cpus = 1;
};

// This process's surroundings: `environ` less what is ours (OXHERD_*, NOTIFY_SOCKET, LISTEN_*, …);
// usable CPUs by affinity and the cgroup's quota, rounded up. Source: sched_getaffinity(2).
[[nodiscard]] Surroundings SurroundingsOfThisProcess();

// Each error rendered with its source line and caret.
using RenderedErrors = std::vector<std::string>;

// Which profile each service is read with (oxfile.h, ReadOptions).
struct ProfileWish {
  std::optional<std::string> asked = {};  // --env
  std::map<std::string, std::string, std::less<>> remembered = {};
};

// What the services of the file at `path` were read with.
[[nodiscard]] ProfileWish ProfilesOf(const State& state, std::string_view path);

[[nodiscard]] std::expected<Oxfile, RenderedErrors> LoadOxfile(const std::string& path,
                                                               const Surroundings& surroundings,
                                                               ProfileWish profiles);

// The PATH that a service was first started with stands in front of its environment (oxfile.md:
// "the PATH stored at the service's first start"), where everything that the Oxfile sets overrides
// it.
void StorePath(Spec& spec, std::string_view path);
// Takes over what StorePath() put into an earlier spec of the same service; false: there is none.
bool KeepStoredPath(Spec& spec, const Spec& earlier);

// Those of `specs` that `names` mean, and what they depend on, directly or not.
[[nodiscard]] std::vector<const Spec*> WithDependencies(std::span<const Spec> specs,
                                                        std::span<const std::string> names);

// The keys by which two specs of a service make different processes: "env.PORT", "command". Never
// values. Where it stands in the file makes no difference.
[[nodiscard]] std::vector<std::string> Differences(const Spec& one, const Spec& other);

}  // namespace oxherd
