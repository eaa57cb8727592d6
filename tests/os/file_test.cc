#include "os/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "os/local_socket.h"
#include "os/lock.h"
#include "os/system_call.h"
#include "tests/os/scratch.h"

namespace oxherd::os {
namespace {

// Runs the work again and again, failing one call later each time, until it gets through without
// one that fails; `check` looks at each failed try.
template <typename Work, typename Check>
void FailEachCall(int error_number, Work work, Check check) {
  for (std::uint64_t call = 0; call < 200; ++call) {
    FailCall(call, error_number);
    const bool worked = work();
    if (CancelFailure()) {  // the planned failure was never reached
      CHECK(worked);
      return;
    }
    check(worked);
  }
  FAIL("the work never ends");
}

TEST_CASE("a file is replaced whole, and only its owner can read it") {
  const Scratch scratch;
  REQUIRE(ReplaceFile(scratch.path(), "state.json", "one").has_value());
  REQUIRE(ReplaceFile(scratch.path(), "state.json", "two").has_value());
  CHECK(ReadFile(scratch / "state.json", 100).value() == "two");
  CHECK(ModeOf(scratch / "state.json") == 0600);
}

TEST_CASE("whichever call fails, the old file is as it was or the new one is complete") {
  const Scratch scratch;
  const std::string old_text = "the old text";
  const std::string new_text = "the new text";
  const int before = OpenDescriptors();
  for (std::uint64_t call = 0; call < 10; ++call) {
    REQUIRE(ReplaceFile(scratch.path(), "f", old_text).has_value());
    FailCall(call, ENOSPC);
    const Status status = ReplaceFile(scratch.path(), "f", new_text);
    const bool reached = !CancelFailure();
    const std::string text = ReadFile(scratch / "f", 100).value();
    if (!reached) {
      CHECK(status.has_value());
      CHECK(text == new_text);
      break;
    }
    REQUIRE_FALSE(status.has_value());
    CHECK(status.error().number == ENOSPC);
    CHECK((text == old_text || text == new_text));
    CHECK(call < 9);
  }
  CHECK(OpenDescriptors() == before);
  CHECK(::access((scratch / ".f.new").c_str(), F_OK) != 0);
}

TEST_CASE("a file is read whole or not at all") {
  const Scratch scratch;
  std::ofstream(scratch / "f") << std::string(10'000, 'x');
  CHECK(ReadFile(scratch / "f", 10'000).value().size() == 10'000);
  CHECK_FALSE(ReadFile(scratch / "f", 9'999).has_value());
  CHECK(ReadFile(scratch / "none", 10).error().number == ENOENT);
  CHECK(ReadFile(scratch.path(), 10).error().number == EISDIR);
  CHECK_FALSE(ReadFile("/dev/zero", 10).has_value());
  REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0600) == 0);
  CHECK_FALSE(ReadFile(scratch / "fifo", 10).has_value());  // and does not wait for a writer
  CHECK_FALSE(ReadFile("/proc/self/stat", 4096).value().empty());
}

TEST_CASE("a private directory is made with those above it, closed to others") {
  const Scratch scratch;
  REQUIRE(MakePrivateDirectory(scratch / "a/b/c").has_value());
  for (const char* name : {"a", "a/b", "a/b/c"}) CHECK(ModeOf(scratch / name) == 0700);
  CHECK(MakePrivateDirectory(scratch / "a/b/c").has_value());
}

TEST_CASE("a directory that is a symlink, a file, open to others or somebody else's is refused") {
  const Scratch scratch;
  REQUIRE(::symlink("/tmp", (scratch / "link").c_str()) == 0);
  std::ofstream(scratch / "file") << "x";
  REQUIRE(::mkdir((scratch / "open").c_str(), 0700) == 0);
  REQUIRE(::chmod((scratch / "open").c_str(), 0777) == 0);
  for (const char* name : {"link", "file", "open", "file/below"}) {
    CHECK_FALSE(MakePrivateDirectory(scratch / name).has_value());
  }
  if (::geteuid() == 0) {
    REQUIRE(::mkdir((scratch / "theirs").c_str(), 0700) == 0);
    REQUIRE(::chown((scratch / "theirs").c_str(), 12345, 12345) == 0);
    CHECK_FALSE(MakePrivateDirectory(scratch / "theirs").has_value());
  }
}

TEST_CASE("a lock has one holder, says who, and ends with its last copy") {
  const Scratch scratch;
  const std::string path = scratch / "daemon.lock";
  CHECK_FALSE(ReadLock(path).value().has_value());
  auto lock = TakeLock(path);
  REQUIRE(lock.has_value());
  REQUIRE(lock->has_value());
  const LockText text{.pid = Pid(4711), .socket = "/a path/with blanks/control.sock"};
  REQUIRE(WriteLock((*lock)->get(), text).has_value());
  CHECK(ReadLock(path).value() == text);
  CHECK_FALSE(TakeLock(path).value().has_value());
  auto copy = Duplicate((*lock)->get());
  (*lock)->Reset();
  CHECK_FALSE(TakeLock(path).value().has_value());
  copy->Reset();
  CHECK_FALSE(ReadLock(path).value().has_value());  // what it says counts no more
  CHECK(TakeLock(path).value().has_value());
  CHECK(ModeOf(path) == 0600);
}

TEST_CASE("a lock file full of nonsense names nobody") {
  const Scratch scratch;
  for (const char* nonsense :
       {"", "x", "12", "12\n", "12\n/path", "-\n\n", "99999999999999\n/p\n"}) {
    auto lock = TakeLock(scratch / "lock");
    REQUIRE(lock.value().has_value());
    REQUIRE(::ftruncate((*lock)->get(), 0) == 0);
    const std::string text = nonsense;
    REQUIRE(::pwrite((*lock)->get(), text.data(), text.size(), 0) ==
            static_cast<ssize_t>(text.size()));
    const auto read = ReadLock(scratch / "lock");
    REQUIRE(read.value().has_value());
    CHECK_FALSE((*read)->pid.is_set());
  }
}

TEST_CASE("a socket works in a directory whose path is longer than a socket address") {
  const Scratch scratch;
  const std::string deep = scratch / (std::string(100, 'd') + "/" + std::string(100, 'e'));
  REQUIRE(MakePrivateDirectory(deep).has_value());
  const Fd folder(::open(deep.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  CHECK(ConnectLocally(deep, "control.sock").error().number == ENOENT);
  auto listener = ListenLocally(folder.get(), "control.sock");
  REQUIRE(listener.has_value());
  CHECK(ModeOf(deep + "/control.sock") == 0600);
  auto client = ConnectLocally(deep, "control.sock");
  REQUIRE(client.has_value());
  const Fd accepted(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(accepted);
  const auto peer = PeerOf(accepted.get());
  CHECK(peer.value().uid == ::geteuid());
  CHECK(peer.value().pid == ::getpid());

  const auto first = IdentityOf(folder.get(), "control.sock");
  listener->Reset();
  CHECK(ConnectLocally(deep, "control.sock").error().number == ECONNREFUSED);
  listener = ListenLocally(folder.get(), "control.sock");  // takes the place of the dead one
  REQUIRE(listener.has_value());
  CHECK(ConnectLocally(deep, "control.sock").has_value());
  CHECK(IdentityOf(folder.get(), "control.sock").value() != first.value());
}

TEST_CASE("a socket that cannot be made leaves the old one and no rubbish") {
  const Scratch scratch;
  const Fd folder(::open(scratch.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto old = ListenLocally(folder.get(), "s");
  REQUIRE(old.has_value());
  const int before = OpenDescriptors();
  FailEachCall(
      EMFILE, [&] { return ListenLocally(folder.get(), "s").has_value(); },
      [&](bool worked) {
        CHECK_FALSE(worked);
        CHECK(::access((scratch / ".s.new").c_str(), F_OK) != 0);
        CHECK(ConnectLocally(scratch.path(), "s").has_value());
      });
  CHECK(OpenDescriptors() == before);
}

}  // namespace
}  // namespace oxherd::os
