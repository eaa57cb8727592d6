// What trees use: real processes that share memory, or have put a child into the background.
#include "os/tree_usage.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

#include "os/fd.h"

namespace oxherd::os {
namespace {

constexpr std::size_t kMegabyte = 1024UL * 1024;
constexpr std::size_t kBlock = 64 * kMegabyte;

// A process that says when it is ready and then waits to be killed.
template <typename Body>
pid_t Fork(Body body) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    body();
    (void)!::write(ends[1], "x", 1);
    for (;;) ::pause();
  }
  ::close(ends[1]);
  char ready = 0;
  CHECK(::read(ends[0], &ready, 1) == 1);
  ::close(ends[0]);
  return pid;
}

void End(pid_t pid) {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

TEST_SUITE("tree usage") {
  TEST_CASE("what forked workers share counts for each in RSS, and once in PSS") {
    void* const block =
        ::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(block != MAP_FAILED);
    ::madvise(block, kBlock, MADV_NOHUGEPAGE);
    pid_t workers[2] = {};
    const pid_t main = Fork([&] {
      std::memset(block, 1, kBlock);
      for (pid_t& worker : workers) worker = Fork([] {});
    });
    const TreeUsage tree = MeasureTree({Pid(main)});
    CHECK(tree.processes.size() == 3);
    CHECK(tree.resident_bytes >= 3 * kBlock);
    const auto once = ProportionalBytes(tree.processes);
    REQUIRE(once);
    CHECK(*once >= kBlock);
    CHECK(*once < 2 * kBlock);  // what the sanitizers bring along is no worker's either
    for (const Pid worker : ChildrenOf(Pid(main))) ::kill(worker.number(), SIGKILL);
    End(main);
    ::munmap(block, kBlock);
  }

  TEST_CASE("CPU of children that have ended is their parent's, and stays in the sum") {
    const pid_t main = Fork([] {
      const pid_t child = ::fork();
      if (child == 0) {
        const clock_t until = ::clock() + CLOCKS_PER_SEC / 5;
        while (::clock() < until) {
        }
        ::_exit(0);
      }
      ::waitpid(child, nullptr, 0);
    });
    CHECK(MeasureTree({Pid(main)}).cpu >= Millis(150));
    End(main);
  }

  TEST_CASE("children that another thread than the first has made belong to the tree") {
    const pid_t main = Fork([] {
      std::array<int, 2> ends{};
      (void)!::pipe2(ends.data(), O_CLOEXEC);
      std::thread([ends] {
        if (::fork() == 0) {
          for (;;) ::pause();
        }
        (void)!::write(ends[1], "x", 1);
        for (;;) ::pause();
      }).detach();
      char made = 0;
      (void)!::read(ends[0], &made, 1);
    });
    const TreeUsage tree = MeasureTree({Pid(main)});
    CHECK(tree.processes.size() == 2);
    for (const Pid process : tree.processes) ::kill(process.number(), SIGKILL);
    End(main);
  }

  TEST_CASE("what is gone uses nothing") {
    const pid_t gone = Fork([] {});
    End(gone);
    const TreeUsage tree = MeasureTree({Pid(gone)});
    CHECK(tree.processes.empty());
    CHECK(tree.resident_bytes == 0);
    CHECK(ProportionalBytes(std::array{Pid(gone)}) == 0);
  }
}

}  // namespace
}  // namespace oxherd::os
