// Fuzzes what is read from /proc: the line of a process, the mounts, our own cgroup.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "os/cgroup.h"
#include "os/process_tree.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace oxherd;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (const auto stat = os::ParseStat(text)) {
    OXHERD_CHECK(stat->pid.number() >= 0 && stat->parent.number() >= 0, "a negative pid");
  }
  if (const auto mount = os::FindCgroupMount(text)) {
    OXHERD_CHECK(mount->directory.size() <= size, "a mount longer than its text");
  }
  static_cast<void>(os::FindCgroupPath(text));
  return 0;
}
