// Limits of cgroups, against a tree of plain files: this says which files are written and with
// what, not that the kernel obeys.
#include "os/cgroup_limits.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "os/cgroup.h"
#include "os/system_call.h"
#include "tests/temporary.h"

namespace oxherd::os {
namespace {

// own/ is where the supervisor is, own/oxherd-1/ its shelf, own/oxherd-1/api an instance.
class Tree {
 public:
  explicit Tree(const std::string& own, const std::string& shelf, const std::string& instance)
      : root_(test::MakeTemporaryFolder("cgroup")) {
    Fill(root_, own, "");
    Fill(root_ / "oxherd-1", shelf, "");
    Fill(root_ / "oxherd-1" / "api", instance, "");
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { std::filesystem::remove_all(root_); }

  [[nodiscard]] std::string instance() const { return (root_ / "oxherd-1" / "api").string(); }
  [[nodiscard]] std::string Read(const std::string& name) const {
    std::ifstream file(root_ / name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void Remove(const std::string& name) const { std::filesystem::remove(root_ / name); }

 private:
  static void Fill(const std::filesystem::path& folder, const std::string& controllers,
                   const std::string& handed_on) {
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "cgroup.controllers") << controllers << "\n";
    std::ofstream(folder / "cgroup.subtree_control") << handed_on << "\n";
    for (const char* name : {"memory.max", "cpu.max", "pids.max"}) {
      std::ofstream(folder / name) << "max";
    }
  }
  std::filesystem::path root_;
};

CgroupLimits All() { return {.memory_bytes = 268435456, .cpu_permille = 1500, .processes = 64}; }

TEST_SUITE("cgroup limits") {
  TEST_CASE("where the instance has the controllers, its three files are written") {
    const Tree tree("cpu memory pids", "cpu memory pids", "cpu memory pids");
    REQUIRE(EnforceLimits(tree.instance(), All()));
    CHECK(tree.Read("oxherd-1/api/memory.max") == "268435456");
    CHECK(tree.Read("oxherd-1/api/cpu.max") == "150000 100000");
    CHECK(tree.Read("oxherd-1/api/pids.max") == "64x");  // over the "max" of a plain file
    CHECK(tree.Read("cgroup.subtree_control") == "\n");
  }

  TEST_CASE("a controller that is missing is handed on, from as far up as it must") {
    const Tree tree("cpu memory pids", "memory", "");
    REQUIRE(EnforceLimits(tree.instance(), {.memory_bytes = 1048576}));
    CHECK(tree.Read("oxherd-1/cgroup.subtree_control") == "+memory");
    CHECK(tree.Read("cgroup.subtree_control") == "\n");
    // A plain file does not hand anything on, so the next folder still lacks it.
    CHECK_FALSE(EnforceLimits(tree.instance(), {.cpu_permille = 85}));
    CHECK(tree.Read("cgroup.subtree_control") == "+cpu");
    CHECK(tree.Read("oxherd-1/api/cpu.max") == "max");
  }

  TEST_CASE("what is not delegated is said with the controller and the folder") {
    const Tree tree("", "", "");
    const Status status = EnforceLimits(tree.instance(), All());
    REQUIRE_FALSE(status);
    CHECK(status.error().message.starts_with("the controller memory is not delegated to "));
    CHECK(tree.Read("oxherd-1/api/memory.max") == "max");
  }

  TEST_CASE("processes beside the folders are named as the reason, as the kernel refuses then") {
    const Tree tree("memory", "", "");
    // Reading four files takes eight calls; then the first control file is opened and written.
    bool seen = false;
    for (std::uint64_t call = 0; call < 40 && !seen; ++call) {
      FailCall(call, EBUSY);
      const Status status = EnforceLimits(tree.instance(), {.memory_bytes = 1048576});
      CancelFailure();
      seen = !status && status.error().message.ends_with(
                            "hands on no controllers while processes are in it, the supervisor's "
                            "own or others");
    }
    CHECK(seen);
  }

  TEST_CASE("without cgroup version 2 there is an error, and nothing else") {
    const Tree tree("memory", "memory", "memory");
    tree.Remove("oxherd-1/api/cgroup.controllers");
    CHECK_FALSE(EnforceLimits(tree.instance(), All()));
    CHECK(EnforceLimits(tree.instance(), {}));
  }

  TEST_CASE("a supervisor that is alone in its unit's cgroup goes aside into one below it") {
    const std::filesystem::path unit =
        std::filesystem::path(test::MakeTemporaryFolder("cgroup")) / "oxherd.service";
    std::filesystem::create_directories(unit / "supervisor");  // files are there as it is made
    std::ofstream(unit / "supervisor" / "cgroup.procs").flush();
    const auto put = [&](const std::string& pids) { std::ofstream(unit / "cgroup.procs") << pids; };
    const auto moved = [&] {
      std::ifstream file(unit / "supervisor" / "cgroup.procs");
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    put("4242\n4243\n");
    CHECK_FALSE(StepAside(unit.string(), Pid(4242)));  // it would leave somebody there
    CHECK(moved().empty());
    put("4242\n");
    CHECK(StepAside(unit.string(), Pid(4242)));
    CHECK(moved() == "4242");
    // Nothing that is no unit of systemd's: a session's scope, a container's root.
    const std::filesystem::path scope = unit.parent_path() / "session-3.scope";
    std::filesystem::create_directories(scope);
    std::ofstream(scope / "cgroup.procs") << "4242\n";
    CHECK_FALSE(StepAside(scope.string(), Pid(4242)));
    CHECK_FALSE(std::filesystem::exists(scope / "supervisor"));
    std::filesystem::remove_all(unit.parent_path());
  }

  TEST_CASE("instances have their cgroups beside a supervisor that has gone aside, not below it") {
    CHECK(CgroupForInstances("/sys/fs/cgroup/system.slice/oxherd.service/supervisor") ==
          "/sys/fs/cgroup/system.slice/oxherd.service");
    CHECK(CgroupForInstances("/sys/fs/cgroup/system.slice/oxherd.service") ==
          "/sys/fs/cgroup/system.slice/oxherd.service");
    CHECK(CgroupForInstances("/sys/fs/cgroup/supervisor") == "/sys/fs/cgroup/supervisor");
    CHECK(CgroupForInstances("/") == "/");
  }
}

}  // namespace
}  // namespace oxherd::os
