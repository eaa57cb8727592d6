// Users and groups, and a thread that opens files as one of them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <string>
#include <thread>

#include "os/acting_as.h"
#include "os/user.h"

namespace oxherd::os {
namespace {

TEST_CASE("a user is found by name and by number, with the groups and the home folder") {
  const auto by_name = FindUser("root");
  REQUIRE(by_name.has_value());
  CHECK(by_name->uid == 0);
  CHECK(by_name->gid == 0);
  CHECK(std::ranges::count(by_name->groups, 0U) == 1);
  CHECK(by_name->home.starts_with('/'));
  const auto by_number = FindUser("0");
  REQUIRE(by_number.has_value());
  CHECK(by_number->name == "root");
}

TEST_CASE("a user or group that there is not is an error, by name and by number") {
  for (const char* name : {"no-such-one", "4294967294", "4294967295", "-1", "", "0x0"}) {
    CHECK_MESSAGE(!FindUser(name).has_value(), name);
    CHECK_MESSAGE(!FindGroup(name).has_value(), name);
  }
  CHECK(FindGroup("root") == 0U);
  CHECK(FindGroup("0") == 0U);
}

TEST_CASE(
    "who acts as a user opens what that user may, in this thread alone, and then is root again") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can act as somebody else");
    return;
  }
  std::string folder = "/tmp/oxherd-user-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string secret = folder + "/secret";
  REQUIRE(Fd(::open(secret.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
  REQUIRE(::chmod(folder.c_str(), 0777) == 0);
  const auto opens = [&] {
    return static_cast<bool>(Fd(::open(secret.c_str(), O_RDONLY | O_CLOEXEC)));
  };
  // A thread that was there before; one that is made meanwhile acts as its maker does.
  std::promise<void> act;
  bool other_opens = false;
  std::thread other([&] {
    act.get_future().wait();
    other_opens = opens();
  });
  {
    const ActingAs nobody(65534, 65534, {65534});
    CHECK(nobody.holds());
    CHECK_FALSE(ActsAsRoot());
    CHECK_FALSE(opens());
    {
      const ActingAs again(65534, 65534, {65534});
      CHECK_FALSE(opens());
    }
    CHECK_FALSE(opens());  // it nests
    act.set_value();
    other.join();
    CHECK(other_opens);
    const std::string made = folder + "/made";
    REQUIRE(Fd(::open(made.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)));
    struct stat about{};
    REQUIRE(::stat(made.c_str(), &about) == 0);
    CHECK(about.st_uid == 65534);
    CHECK(about.st_gid == 65534);
    ::unlink(made.c_str());
  }
  CHECK(ActsAsRoot());
  CHECK(opens());
  ::unlink(secret.c_str());
  ::rmdir(folder.c_str());
}

}  // namespace
}  // namespace oxherd::os
