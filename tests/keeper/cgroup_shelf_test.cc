// The shelf of cgroups, against a tree of plain files: what the kernel would write there, the test
// writes.
#include "keeper/cgroup_shelf.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/temporary.h"

namespace oxherd::keeper {
namespace {

namespace fs = std::filesystem;

class Tree {
 public:
  Tree() : root_(fs::path(test::MakeTemporaryFolder("shelf")) / "oxherd-1") {
    fs::create_directories(root_);
    std::ofstream(root_ / "cgroup.procs").flush();
  }
  ~Tree() { fs::remove_all(root_.parent_path()); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  [[nodiscard]] std::string path() const { return root_.string(); }
  // Files that the kernel makes with the directory.
  void Prepare(const std::string& name, int oom_kills) const {
    fs::create_directories(root_ / name);
    std::ofstream(root_ / name / "cgroup.events") << "populated 1\nfrozen 0\n";
    std::ofstream(root_ / name / "memory.events")
        << "low 0\nhigh 0\nmax 17\noom 3\noom_kill " << oom_kills << "\noom_group_kill 0\n";
  }

 private:
  fs::path root_;
};

TEST_SUITE("cgroup shelf") {
  TEST_CASE(
      "a kill for want of memory is seen by whoever has the cgroup then, not by the next one") {
    const Tree tree;
    tree.Prepare("api.0", 0);
    CgroupShelf shelf(4, Pid(1), tree.path());
    REQUIRE(shelf.is_available());
    const CgroupShelf::Spot first = shelf.Take("api.0", Token(1));
    REQUIRE(first != CgroupShelf::kNoSpot);
    CHECK_FALSE(shelf.SawOomKill(first));
    tree.Prepare("api.0", 1);
    CHECK(shelf.SawOomKill(first));
    shelf.Return(first, Instant{});
    const CgroupShelf::Spot second = shelf.Take("api.0", Token(2));
    REQUIRE(second != CgroupShelf::kNoSpot);
    CHECK_FALSE(shelf.SawOomKill(second));
    tree.Prepare("api.0", 2);
    CHECK(shelf.SawOomKill(second));
  }

  TEST_CASE(
      "a limit that was only reached, or memory that nobody accounts for, has killed nobody") {
    const Tree tree;
    tree.Prepare("api.0", 0);
    CgroupShelf shelf(4, Pid(1), tree.path());
    const CgroupShelf::Spot spot = shelf.Take("api.0", Token(1));
    REQUIRE(spot != CgroupShelf::kNoSpot);
    CHECK_FALSE(shelf.SawOomKill(spot));
    fs::remove(fs::path(tree.path()) / "api.0" / "memory.events");
    CHECK_FALSE(shelf.SawOomKill(spot));
  }

  TEST_CASE("an inherited cgroup's earlier kills are not its instance's") {
    const Tree tree;
    tree.Prepare("api.0", 5);
    CgroupShelf shelf(4, Pid(1), tree.path());
    const CgroupShelf::Spot spot = shelf.Inherit("api.0");
    REQUIRE(spot != CgroupShelf::kNoSpot);
    CHECK_FALSE(shelf.SawOomKill(spot));
    tree.Prepare("api.0", 6);
    CHECK(shelf.SawOomKill(spot));
  }

  TEST_CASE("a cgroup that may have limits is not kept for the next instance of its slot") {
    const Tree tree;
    const fs::path list = fs::path(tree.path()) / "api.0" / "cgroup.controllers";
    for (const bool has_controllers : {false, true}) {
      tree.Prepare("api.0", 0);
      std::ofstream(list) << (has_controllers ? "memory pids\n" : "\n");
      CgroupShelf shelf(4, Pid(1), tree.path());
      const CgroupShelf::Spot spot = shelf.Take("api.0", Token(1));
      REQUIRE(spot != CgroupShelf::kNoSpot);
      shelf.Return(spot, Instant{});
      CHECK(shelf.name(spot) == (has_controllers ? "" : "api.0"));
    }
  }
}

}  // namespace
}  // namespace oxherd::keeper
