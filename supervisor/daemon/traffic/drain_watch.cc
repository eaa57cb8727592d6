#include "daemon/traffic/drain_watch.h"

#include <boost/asio/io_context.hpp>
#include <utility>

#include "os/clock.h"
#include "os/listeners.h"

namespace oxherd {
namespace {

constexpr Millis kEvery{50};
// A request that has just come may look like one just answered (os::IsBusy): one look is no proof.
constexpr int kQuietLooks = 2;

}  // namespace

DrainWatch::DrainWatch(boost::asio::io_context& loop, const Pools& pools, Seams seams)
    : pools_(pools), seams_(std::move(seams)), timer_(loop) {}

DrainWatch::~DrainWatch() = default;

void DrainWatch::Begin(const action::WatchDrain& drain) {
  Watched watched{.service = drain.service,
                  .socket = drain.socket,
                  .not_before = os::Now() + drain.drain,
                  .half_open = {},
                  .quiet_looks = 0};
  for (const std::uint16_t port : pools_.PortsOf(drain.service)) {
    if (Result<os::PortTraffic> traffic = os::LookAtPort(port)) {
      watched.half_open.emplace(port, std::move(traffic->half_open));
    }
  }
  watched_.insert_or_assign(drain.token, std::move(watched));
  Arm();
}

void DrainWatch::Arm() {
  if (is_armed_ || watched_.empty()) return;
  is_armed_ = true;
  timer_.expires_after(kEvery);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // we are gone
    is_armed_ = false;
    Look();
    Arm();
  });
}

void DrainWatch::Look() {
  std::map<std::uint16_t, os::PortTraffic> seen;  // one look at a port, however many drain
  std::vector<Token> drained;
  for (auto it = watched_.begin(); it != watched_.end();) {
    const std::optional<Pid> main = seams_.draining(it->first);
    const bool is_quiet = main && IsDrained(it->second, *main, seen);
    it->second.quiet_looks = is_quiet ? it->second.quiet_looks + 1 : 0;
    if (main && it->second.quiet_looks < kQuietLooks) {
      ++it;
      continue;
    }
    if (main) drained.push_back(it->first);
    it = watched_.erase(it);
  }
  for (const Token token : drained) seams_.drained(token);
}

bool DrainWatch::IsDrained(const Watched& watched, Pid main,
                           std::map<std::uint16_t, os::PortTraffic>& seen) const {
  if (os::Now() < watched.not_before) return false;
  if (pools_.Waiting(watched.service, watched.socket) > 0) return false;
  for (const std::uint16_t port : pools_.PortsOf(watched.service)) {
    if (!seen.contains(port)) {
      Result<os::PortTraffic> looked = os::LookAtPort(port);
      if (!looked) return false;  // drain_max_ms will end it
      seen.emplace(port, std::move(*looked));
    }
    const os::PortTraffic& now = seen.at(port);
    const auto before = watched.half_open.find(port);
    if (before != watched.half_open.end() && os::AnyIsStill(before->second, now.half_open)) {
      return false;
    }
    if (now.busy.empty()) continue;
    const auto owns = os::TreeOwnsSocket(main, now.busy);
    // Who does not let us look is given the time it may take.
    if (!owns || *owns != os::Ownership::kDoesNotOwn) return false;
  }
  return true;
}

}  // namespace oxherd
