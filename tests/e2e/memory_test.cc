// Memory that is not to be had: for one request, for the daemon, for its cgroup.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kService =
    "[processes.api]\ncommand = \"@misbehave on-term 0 then sleep\"\nmin_uptime_ms = 50\n";

rlim_t AddressSpaceOf(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  rlim_t pages = 0;
  statm >> pages;
  return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void LimitAddressSpace(pid_t pid, rlim_t bytes) {
  const rlimit limit{bytes, RLIM_INFINITY};
  REQUIRE(prlimit(pid, RLIMIT_AS, &limit, nullptr) == 0);
}

// Valid, and a lot to keep in memory while it is read.
std::string LargeOxfile() {
  std::string text(kService);
  text += "[processes.large]\ncommand = \"@misbehave sleep\"\n[processes.large.env]\n";
  for (int i = 0; i < 3000; ++i) {
    text += "VARIABLE_" + std::to_string(i) + " = \"" + std::string(100, 'x') + "\"\n";
  }
  return text;
}

TEST_SUITE_BEGIN("faults");

TEST_CASE("a request that wants more memory than there is fails, and nothing else does") {
  if (kSanitized) {
    MESSAGE("skipped: the sanitizer's own memory cannot be limited");
    return;
  }
  const Home home;
  home.Oxfile(kService);
  home.MustRun({"start"});
  const pid_t daemon = home.Daemon();
  const Instance before = home.Get("api/0");
  home.Oxfile(LargeOxfile());
  LimitAddressSpace(daemon, AddressSpaceOf(daemon) + rlim_t{512} * 1024);

  const Outcome refused = home.Run({"apply"});

  CHECK(refused.exit_code != 0);
  CHECK_SAYS(refused.all(), "memory");
  CHECK(home.Daemon() == daemon);
  CHECK(home.Pid("api/0") == before.pid);
  CHECK(home.List().size() == 1);
  // What keeps services alive goes on, with or without a client.
  kill(before.pid, SIGKILL);
  WaitUntil("the next one", [&] {
    const Instance now = home.Get("api/0");
    return now.state == "ready" && now.pid != before.pid;
  });
  home.MustRun({"stop", "api"});
  CHECK(home.Daemon() == daemon);

  LimitAddressSpace(daemon, RLIM_INFINITY);
  home.Oxfile(kService);
  home.MustRun({"apply"});
}

// A memory cgroup of version 1, which is all that is needed here and that nothing else is in.
class TightMemory {
 public:
  TightMemory() : folder_("/sys/fs/cgroup/memory/oxherd-e2e-" + std::to_string(getpid())) {
    std::error_code error;
    is_there_ = fs::exists("/sys/fs/cgroup/memory/memory.limit_in_bytes") &&
                fs::create_directory(folder_, error);
    if (!is_there_) {
      MESSAGE("skipped: no memory cgroup (version 1) can be made here");
    }
  }
  TightMemory(const TightMemory&) = delete;
  TightMemory& operator=(const TightMemory&) = delete;
  ~TightMemory() {
    std::error_code error;
    fs::remove(folder_, error);
  }

  [[nodiscard]] bool is_there() const { return is_there_; }
  void Hold(pid_t pid) const {
    std::ofstream(folder_ / "memory.limit_in_bytes") << 65536;
    std::ofstream(folder_ / "cgroup.procs") << pid;
  }

 private:
  fs::path folder_;
  bool is_there_ = false;
};

TEST_CASE("a daemon that the OOM killer has ended is replaced, and the instances keep their pids") {
  const TightMemory tight;
  if (!tight.is_there()) {
    return;
  }
  const Home home;
  home.Oxfile(kService);
  home.MustRun({"start"});
  const pid_t pid = home.Pid("api/0");
  const Watched daemon(home.Daemon());

  tight.Hold(home.Daemon());
  home.MustRun({"list"});
  home.Oxfile(LargeOxfile());
  static_cast<void>(home.Run({"apply"}));  // the request may be lost with the daemon

  static_cast<void>(daemon.WaitForEnd());
  home.MustRun({"ping"});
  CHECK(home.Pid("api/0") == pid);
  CHECK(home.Get("api/0").state == "ready");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
