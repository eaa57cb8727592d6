#include "core/restart_policy.h"

#include <algorithm>
#include <cerrno>

namespace oxherd {
namespace {

constexpr Millis kFirstDelay{100};

// splitmix64: one well-mixed number from two, the same on every machine.
std::uint64_t Mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a + 0x9E3779B97F4A7C15ULL * (b + 1);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// 0 … 1023, always the same for one instance.
std::uint64_t Chance(std::uint64_t seed, const InstanceId& id) {
  std::uint64_t mixed = Mix(seed, id.slot);
  for (const char c : id.service) mixed = Mix(mixed, static_cast<unsigned char>(c));
  return mixed % 1024;
}

}  // namespace

Millis BackoffDelay(const Policy& policy, std::uint16_t crashes, std::uint64_t seed,
                    const InstanceId& id) {
  if (crashes <= 1) return std::min(policy.restart_delay, policy.restart_delay_max);
  const int doublings = std::min(crashes - 2, 30);
  const Millis doubled = kFirstDelay * (std::int64_t{1} << doublings);
  const Millis base = std::max(doubled, policy.restart_delay);
  if (base >= policy.restart_delay_max) return policy.restart_delay_max;
  const Millis jitter = base / 10 * static_cast<std::int64_t>(Chance(seed, id)) / 1024;
  return std::min(base + jitter, policy.restart_delay_max);
}

bool GivesUp(const Policy& policy, std::uint16_t crashes) {
  return policy.max_restarts != 0 && crashes >= policy.max_restarts;
}

bool StartsAgain(const Policy& policy, ExitStatus status, bool was_ready) {
  switch (policy.restart) {
    case RestartPolicy::kAlways:
      return true;
    case RestartPolicy::kOnFailure:
      return !was_ready || !status.success();
    case RestartPolicy::kNo:
      return false;
  }
  return false;
}

SpawnErrno ClassifySpawnErrno(int number) {
  switch (number) {
    case ETXTBSY:
      return SpawnErrno::kTextBusy;
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EINTR:
      return SpawnErrno::kTransient;
    default:
      return SpawnErrno::kPermanent;
  }
}

}  // namespace oxherd
