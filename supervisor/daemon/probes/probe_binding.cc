#include "daemon/probes/probe_binding.h"

#include <algorithm>
#include <span>

#include "os/listeners.h"

namespace oxherd {
namespace {

os::Ownership Owns(const LiveInstance& instance, std::span<const std::uint64_t> inodes) {
  if (!instance.pid.is_set()) return os::Ownership::kDoesNotOwn;
  const auto owns = os::TreeOwnsSocket(instance.pid, inodes);
  return owns ? *owns : os::Ownership::kCannotTell;
}

// Another instance of the same service, of which one of the sockets is.
const LiveInstance* OtherOwner(const ProbeQuestion& question, const std::vector<LiveInstance>& live,
                               std::span<const std::uint64_t> inodes) {
  for (const LiveInstance& other : live) {
    if (other.token == question.token || other.instance.service != question.instance.service) {
      continue;
    }
    if (Owns(other, inodes) == os::Ownership::kOwns) return &other;
  }
  return nullptr;
}

}  // namespace

Binding WhoAnswers(const ProbeQuestion& question, std::uint16_t port,
                   const std::vector<LiveInstance>& live) {
  const auto asked = std::ranges::find(live, question.token, &LiveInstance::token);
  if (asked == live.end()) return {.kind = Binding::Kind::kUnknown};
  const auto inodes = os::ListeningInodes(port);
  if (!inodes) return {.kind = Binding::Kind::kUnknown};
  if (inodes->empty()) return {.kind = Binding::Kind::kForeign};

  const os::Ownership owns = Owns(*asked, *inodes);
  // One socket that is its own needs no second look. Of several (SO_REUSEPORT, IPv4 and IPv6) some
  // may be another instance's, and then nobody knows who answered.
  if (owns == os::Ownership::kOwns && inodes->size() == 1) return {.kind = Binding::Kind::kOurs};
  if (const LiveInstance* other = OtherOwner(question, live, *inodes)) {
    return {.kind = Binding::Kind::kForeign, .generation = other->generation, .pid = other->pid};
  }
  if (owns == os::Ownership::kDoesNotOwn) return {.kind = Binding::Kind::kForeign};
  return {.kind = Binding::Kind::kOurs};
}

}  // namespace oxherd
