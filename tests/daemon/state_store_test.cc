#include "daemon/store/state_store.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/store/state_file.h"
#include "tests/daemon/sample_state.h"
#include "tests/temporary.h"

namespace oxherd {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() { path_ = test::MakeTemporaryFolder("store"); }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string path(const std::string& name = "") const {
    return name.empty() ? path_ : path_ + "/" + name;
  }
  [[nodiscard]] std::string Read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }

 private:
  std::string path_;
};

event::Boot Wishes(int generation) {
  event::Boot wishes;
  wishes.wishes.push_back(
      {SampleSpec("api"), Generation(static_cast<std::uint32_t>(generation)), true});
  return wishes;
}

// Waits until an attempt to write is over, and says how it went.
std::optional<std::string> NextOutcome(StateStore& store) {
  pollfd event{.fd = store.event_fd(), .events = POLLIN, .revents = 0};
  REQUIRE(poll(&event, 1, 10'000) == 1);
  return store.TakeOutcome();
}

void WaitUntilSettled(StateStore& store) {
  while (!store.is_settled()) CHECK_FALSE(NextOutcome(store));
}

}  // namespace

TEST_CASE("the newest wish is what is found on the disk, and the file is ours alone") {
  const Folder folder;
  {
    auto store = StateStore::Open(folder.path()).value();
    for (int i = 1; i <= 20; ++i) store->Save(Wishes(i));
    WaitUntilSettled(*store);
    const StateStore::Loaded loaded = StateStore::Load(folder.path());
    CHECK(loaded.warnings.empty());
    REQUIRE(loaded.wishes.wishes.size() == 1);
    CHECK(loaded.wishes.wishes[0].generation == Generation(20));
  }
  struct stat facts{};
  REQUIRE(stat(folder.path("state.json").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
}

TEST_CASE("what was saved last is written before the store is gone") {
  const Folder folder;
  {
    auto store = StateStore::Open(folder.path()).value();
    store->Save(Wishes(5));
  }
  CHECK(StateStore::Load(folder.path()).wishes.wishes.at(0).generation == Generation(5));
}

TEST_CASE("a folder without a state file means that nothing is wanted, and nothing is wrong") {
  const Folder folder;
  const StateStore::Loaded loaded = StateStore::Load(folder.path());
  CHECK(loaded.wishes.wishes.empty());
  CHECK(loaded.warnings.empty());
}

TEST_CASE("a damaged file is kept aside and the one before it is used, which is said") {
  const Folder folder;
  {
    auto store = StateStore::Open(folder.path()).value();
    store->Save(Wishes(1));
    WaitUntilSettled(*store);
    store->Save(Wishes(2));
    WaitUntilSettled(*store);
  }
  for (const std::string& damage : {std::string(), std::string("{"), std::string(500, '\0')}) {
    CAPTURE(damage.size());
    const std::string good = folder.Read("state.json.previous");
    folder.Write("state.json", damage);
    const StateStore::Loaded loaded = StateStore::Load(folder.path());
    REQUIRE(loaded.wishes.wishes.size() == 1);
    CHECK(loaded.wishes.wishes[0].generation == Generation(1));
    REQUIRE(loaded.warnings.size() == 2);
    CHECK(loaded.warnings[0].find("state.json: ") != std::string::npos);
    CHECK(loaded.warnings[0].find("state.json.damaged") != std::string::npos);
    CHECK(loaded.warnings[1].find("state.json.previous is used") != std::string::npos);
    CHECK(folder.Read("state.json.damaged") == damage);
    CHECK(folder.Read("state.json.previous") == good);
  }
}

TEST_CASE("when nothing holds, that is said, and how to go on") {
  const Folder folder;
  folder.Write("state.json", "rubbish");
  folder.Write("state.json.previous", "rubbish too");
  const StateStore::Loaded loaded = StateStore::Load(folder.path());
  CHECK(loaded.wishes.wishes.empty());
  REQUIRE(loaded.warnings.size() == 3);
  CHECK(loaded.warnings[2].find("oxherd start") != std::string::npos);
}

TEST_CASE("a full disk is said, leaves the old file whole, and is tried again") {
  const Folder folder;
  {
    auto store = StateStore::Open(folder.path()).value();
    store->Save(Wishes(1));
    WaitUntilSettled(*store);
  }
  // A limit on the size of files stands for the full disk. In a process of its own: it stays.
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(10);
    const rlimit full{.rlim_cur = 10, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_FSIZE, &full) != 0) _exit(11);
    auto store = StateStore::Open(folder.path()).value();
    store->Save(Wishes(2));
    const auto trouble = NextOutcome(*store);
    if (!trouble || trouble->find("tried again in 1.0 s") == std::string::npos) _exit(12);
    if (store->is_settled()) _exit(13);
    if (StateStore::Load(folder.path()).wishes.wishes.at(0).generation != Generation(1)) _exit(14);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(15);
    if (NextOutcome(*store)) _exit(16);
    if (!store->is_settled()) _exit(17);
    if (StateStore::Load(folder.path()).wishes.wishes.at(0).generation != Generation(2)) _exit(18);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace oxherd
