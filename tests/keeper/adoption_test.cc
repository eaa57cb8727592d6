// Who of an estate is found again from /proc: surely, in doubt, or not at all.
#include <doctest/doctest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "keeper/adoption.h"
#include "os/clock.h"
#include "os/former_process.h"
#include "os/process_tree.h"

namespace oxherd::keeper {
namespace {

// A process that leads a session of its own, as instances do.
class Sleeper {
 public:
  Sleeper() {
    std::array<char, 6> program{"sleep"};
    std::array<char, 3> seconds{"60"};
    std::array<char*, 3> words{program.data(), seconds.data(), nullptr};
    posix_spawnattr_t attributes{};
    REQUIRE(::posix_spawnattr_init(&attributes) == 0);
    REQUIRE(::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID) == 0);
    REQUIRE(::posix_spawnp(&pid_, program.data(), nullptr, &attributes, words.data(), environ) ==
            0);
    ::posix_spawnattr_destroy(&attributes);
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  [[nodiscard]] Pid pid() const { return Pid(pid_); }

 private:
  pid_t pid_ = -1;
};

LeftProcess LeftOf(const Sleeper& sleeper) {
  const std::optional<os::ProcessStat> stat = os::ReadStat(sleeper.pid());
  REQUIRE(stat);
  LeftProcess left;
  left.facts.token = Token(41);
  left.facts.label = {.service = Name("api"), .slot = 0, .generation = Generation(1)};
  left.facts.phase = Phase::kRunning;
  left.facts.pid = sleeper.pid();
  left.start_ticks = stat->start_ticks;
  left.uid = ::getuid();
  return left;
}

Adopted Find(const LeftProcess& left) {
  Estate estate;
  const std::optional<os::BootId> boot = os::ReadBootId();
  REQUIRE(boot);
  estate.preamble.boot = *boot;
  estate.processes.push_back(left);
  std::optional<Inheritance> found = FindAgain(std::move(estate), os::Now());
  REQUIRE(found);
  REQUIRE(found->processes.size() == 1);
  return std::move(found->processes.front());
}

TEST_SUITE_BEGIN("keeper: adoption");

TEST_CASE("a process whose boot, pid, start time, user and session are right is found again") {
  const Sleeper sleeper;
  const Adopted adopted = Find(LeftOf(sleeper));
  CHECK(adopted.pidfd);
  CHECK_FALSE(adopted.left.facts.in_doubt);
  CHECK(adopted.left.facts.phase == Phase::kRunning);
}

TEST_CASE("one of another user is in doubt: kept, and nobody of ours") {
  const Sleeper sleeper;
  LeftProcess left = LeftOf(sleeper);
  ++left.uid;
  const Adopted adopted = Find(left);
  CHECK(adopted.pidfd);
  CHECK(adopted.left.facts.in_doubt);
}

TEST_CASE("one whose start time could not be read is in doubt, and not taken for ended") {
  const Sleeper sleeper;
  LeftProcess left = LeftOf(sleeper);
  left.start_ticks = 0;
  const Adopted adopted = Find(left);
  CHECK(adopted.pidfd);
  CHECK(adopted.left.facts.in_doubt);
  CHECK(adopted.left.facts.phase == Phase::kRunning);
}

TEST_CASE("a number that another process has by now names nobody of ours") {
  const Sleeper sleeper;
  LeftProcess left = LeftOf(sleeper);
  ++left.start_ticks;
  const Adopted adopted = Find(left);
  CHECK_FALSE(adopted.pidfd);
  CHECK(adopted.left.facts.phase == Phase::kExited);
  CHECK_FALSE(adopted.left.facts.pid.is_set());
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::keeper
