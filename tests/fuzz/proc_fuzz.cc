// Fuzzes what is read of the kernel and of other programs: the line of a process, the mounts, our
// own cgroup, an environment, the list of sockets; and the index of a log.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "os/cgroup.h"
#include "os/log_index.h"
#include "os/port_holder.h"
#include "os/process_tree.h"
#include "os/tcp_dump.h"

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
  OXHERD_CHECK(os::Pm2NameIn(text).size() <= size, "a name longer than its text");
  static_cast<void>(os::IsPm2Daemon(text));
  const auto raw = std::as_bytes(std::span(bytes, size));
  std::vector<os::TcpSocket> sockets;
  if (os::ParseTcpDump(raw, 80, sockets)) {
    for (const os::TcpSocket& socket : sockets) {
      OXHERD_CHECK(socket.local.port == 80, "a socket of another port");
    }
  }
  if (const auto burst = os::DecodeBurst(raw)) {
    OXHERD_CHECK(os::DecodeBurst(os::EncodeBurst(*burst)) == burst, "a burst that changes");
  }
  static_cast<void>(os::DecodeIndexHead(raw));
  return 0;
}
