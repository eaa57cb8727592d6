#include "keeper/systemd_notice.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/number.h"

namespace oxherd::keeper {
namespace {

// One more message than systemd can do without, and one more in case that is lost.
constexpr int kPerWatchdogPeriod = 3;
constexpr Duration kStatusEvery = Seconds(1);
// What a stop may take is the business of the instances' own timeouts: as long as we run, we ask
// for another minute.
constexpr Duration kExtendEvery = Seconds(15);
constexpr std::string_view kExtend = "EXTEND_TIMEOUT_USEC=60000000";
constexpr std::string_view kStopping = "STOPPING=1\nEXTEND_TIMEOUT_USEC=60000000";
constexpr Duration kAgainAfter = Millis(100);

constexpr std::array<std::string_view, 3> kForKeeperOnly = {"NOTIFY_SOCKET", "WATCHDOG_USEC",
                                                            "WATCHDOG_PID"};

std::string_view Variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
  const char* value = ::getenv(name);
  return value == nullptr ? "" : value;
}

Duration WatchdogPeriod() {
  const std::string_view whose = Variable("WATCHDOG_PID");
  if (!whose.empty() && ParseNumber<std::int64_t>(whose) != ::getpid()) return Duration(0);
  const std::int64_t micros = ParseNumber<std::int64_t>(Variable("WATCHDOG_USEC")).value_or(0);
  constexpr std::int64_t kLongest = std::int64_t{365} * 24 * 3600 * 1'000'000;
  if (micros <= 0 || micros > kLongest) return Duration(0);
  return std::chrono::microseconds(micros);
}

const char* DaemonWords(SystemdNotice::Daemon daemon) {
  switch (daemon) {
    case SystemdNotice::Daemon::kStarting:
      return "the daemon starts";
    case SystemdNotice::Daemon::kAtWork:
      return "daemon pid";
    case SystemdNotice::Daemon::kDown:
      return "the daemon has died, another one is started";
  }
  return "";
}

}  // namespace

SystemdNotice SystemdNotice::OfThisProcess() {
  SystemdNotice notice;
  notice.peer_ = os::NotifyPeer::Open(Variable("NOTIFY_SOCKET"));
  if (!notice.peer_) return notice;
  notice.watchdog_every_ = WatchdogPeriod() / kPerWatchdogPeriod;
  if (notice.watchdog_every_ > Duration(0)) notice.watchdog_at_ = Instant::min();
  return notice;
}

bool SystemdNotice::Send(std::string_view text, Instant now) {
  if (peer_->Send(text)) return true;
  again_at_ = now + kAgainAfter;
  return false;
}

bool SystemdNotice::SendStatus(const Facts& facts, Instant now) {
  std::array<char, 128> text{};
  const int before = std::snprintf(text.data(), text.size(), "STATUS=%s%u process%s; %s",
                                   facts.stops ? "stopping; " : "", facts.processes,
                                   facts.processes == 1 ? "" : "es", DaemonWords(facts.daemon));
  auto size = static_cast<std::size_t>(before);
  if (facts.daemon == Daemon::kAtWork) {
    size += static_cast<std::size_t>(
        std::snprintf(text.data() + size, text.size() - size, " %d", facts.daemon_pid.number()));
  }
  return Send({text.data(), std::min(size, text.size() - 1)}, now);
}

void SystemdNotice::Tell(const Facts& facts, Instant now) {
  if (!peer_ || (again_at_ != kNever && now < again_at_)) return;
  again_at_ = kNever;
  if (!said_ready_ && facts.daemon == Daemon::kAtWork) said_ready_ = Send("READY=1", now);
  if (facts.stops && !said_stopping_) {
    said_stopping_ = Send(kStopping, now);
    if (said_stopping_) extend_at_ = now + kExtendEvery;
  }
  if (now >= extend_at_ && Send(kExtend, now)) extend_at_ = now + kExtendEvery;
  if (watchdog_at_ != kNever && now >= watchdog_at_ && Send("WATCHDOG=1", now)) {
    watchdog_at_ = now + watchdog_every_;
  }
  if (said_ == facts) {
    status_at_ = kNever;
  } else if (last_status_ != Instant::min() && now - last_status_ < kStatusEvery) {
    status_at_ = last_status_ + kStatusEvery;
  } else if (SendStatus(facts, now)) {
    said_ = facts;
    last_status_ = now;
    status_at_ = kNever;
  }
}

Instant SystemdNotice::NextDeadline() const {
  if (!peer_) return kNever;
  if (again_at_ != kNever) return again_at_;
  return std::min({watchdog_at_, extend_at_, status_at_});
}

std::vector<const char*> EnvironmentForDaemon(char* const* environment) {
  std::vector<const char*> words;
  for (; *environment != nullptr; ++environment) {
    const std::string_view word = *environment;
    const std::string_view name = word.substr(0, word.find('='));
    if (std::ranges::find(kForKeeperOnly, name) == kForKeeperOnly.end()) {
      words.push_back(*environment);
    }
  }
  words.push_back(nullptr);
  return words;
}

}  // namespace oxherd::keeper
