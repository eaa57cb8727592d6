#include "os/tree_watch.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/os/scratch.h"

namespace oxherd::os {
namespace {

namespace fs = std::filesystem;

class Tree {
 public:
  Tree() { fs::create_directories(folder() / "src/deep"); }

  [[nodiscard]] fs::path folder() const { return fs::path(scratch_.path()) / "app"; }
  void Write(const std::string& name) const {
    std::ofstream(folder() / name, std::ios::app) << "more\n";
  }
  [[nodiscard]] TreeWatch Watch(const std::vector<std::string>& roots) const {
    auto watch = TreeWatch::Open(
        roots, {.ignores_folder = [](std::string_view path) { return path == "node_modules"; },
                .counts_file = [](std::string_view path) { return !path.ends_with(".log"); }});
    REQUIRE(watch);
    while (watch->Walk(2)) {
    }
    CHECK(watch->trouble().empty());
    return std::move(*watch);
  }

 private:
  Scratch scratch_;
};

// The path of the next change, below the folder; "none" if there is none for so long.
std::string Next(TreeWatch& watch, const fs::path& folder, int within_ms = 5000) {
  for (;;) {
    auto change = watch.Take();
    while (watch.Walk(10)) {
    }
    if (!change) change = watch.Take();
    if (change) {
      return change->path.empty() ? "?"
                                  : fs::path(change->path).lexically_relative(folder).string();
    }
    pollfd waiting{.fd = watch.fd(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, within_ms) <= 0) return "none";
  }
}

TEST_SUITE("os: tree watch") {
  TEST_CASE("a change anywhere below is heard, what is ignored is not") {
    const Tree tree;
    fs::create_directories(tree.folder() / "node_modules/x");
    TreeWatch watch = tree.Watch({tree.folder().string()});
    CHECK(watch.folder_count() == 3);
    tree.Write("src/deep/app.js");
    CHECK(Next(watch, tree.folder()) == "src/deep/app.js");
    CHECK(Next(watch, tree.folder(), 0) == "none");
    tree.Write("src/out.log");
    tree.Write("node_modules/x/index.js");
    CHECK(Next(watch, tree.folder(), 0) == "none");
    fs::rename(tree.folder() / "src/deep/app.js", tree.folder() / "src/other.js");
    CHECK(Next(watch, tree.folder()).starts_with("src/"));
    fs::remove(tree.folder() / "src/other.js");
    CHECK(Next(watch, tree.folder()) == "src/other.js");
  }

  TEST_CASE("a folder that comes later is watched, with what it brought along") {
    const Tree tree;
    TreeWatch watch = tree.Watch({tree.folder().string()});
    const fs::path elsewhere = tree.folder().parent_path() / "new";
    fs::create_directories(elsewhere / "below");
    std::ofstream(elsewhere / "below/a.js") << "x\n";
    fs::rename(elsewhere, tree.folder() / "new");
    CHECK(Next(watch, tree.folder()) == "new/below/a.js");
    tree.Write("new/below/b.js");
    CHECK(Next(watch, tree.folder()) == "new/below/b.js");
    // Out of the tree: nothing of it is heard any more.
    fs::rename(tree.folder() / "new", elsewhere);
    CHECK(Next(watch, tree.folder()) == "new");
    std::ofstream(elsewhere / "below/a.js") << "y\n";
    CHECK(Next(watch, tree.folder(), 0) == "none");
    CHECK(watch.folder_count() == 3);
  }

  TEST_CASE("a single file is watched through the editors that replace it") {
    const Tree tree;
    tree.Write("config.json");
    tree.Write("other.json");
    TreeWatch watch = tree.Watch(
        {(tree.folder() / "config.json").string(), (tree.folder() / "other.json").string()});
    tree.Write("unrelated.json");
    CHECK(Next(watch, tree.folder(), 0) == "none");
    tree.Write("config.new");
    fs::rename(tree.folder() / "config.new", tree.folder() / "config.json");
    CHECK(Next(watch, tree.folder()) == "config.json");
    tree.Write("other.json");
    CHECK(Next(watch, tree.folder()) == "other.json");
  }

  TEST_CASE("a root that goes is looked for until it has come again") {
    const Tree tree;
    TreeWatch watch = tree.Watch({(tree.folder() / "src").string()});
    CHECK_FALSE(watch.misses_root());
    fs::remove_all(tree.folder() / "src");
    (void)Next(watch, tree.folder());
    CHECK(watch.misses_root());
    CHECK_FALSE(watch.Retry());
    fs::create_directories(tree.folder() / "src");
    CHECK(watch.Retry());
    while (watch.Walk(10)) {
    }
    (void)watch.Take();
    tree.Write("src/app.js");
    CHECK(Next(watch, tree.folder()) == "src/app.js");
  }

  TEST_CASE("when there is nothing left to watch with, that is said with how to mend it") {
    const Tree tree;
    for (const int number : {ENOSPC, EMFILE}) {
      const std::vector<std::string> roots = {tree.folder().string()};
      FailCall(number == EMFILE ? 0 : 1, number);
      auto watch = TreeWatch::Open(roots, {.ignores_folder = [](std::string_view) { return false; },
                                           .counts_file = [](std::string_view) { return true; }});
      if (number == EMFILE) {
        REQUIRE_FALSE(watch);
        CHECK(watch.error().message.contains("fs.inotify.max_user_instances"));
      } else {
        REQUIRE(watch);
        CHECK_FALSE(watch->Walk(10));
        CHECK(watch->trouble().contains("fs.inotify.max_user_watches"));
        CHECK(watch->trouble().contains("watch_ignore"));
      }
      CHECK_FALSE(CancelFailure());
    }
  }
}

}  // namespace
}  // namespace oxherd::os
