// Who has a port: facts from the real kernel.
#include "os/port_holder.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/os/loopback.h"

namespace oxherd::os {
namespace {

TEST_CASE("who listens on a port is named with pid, command line and address") {
  const std::uint16_t port = FreePort();
  const Fd socket = BoundSocket("127.0.0.1", port);
  REQUIRE(::listen(socket.get(), 1) == 0);
  const auto holder = HolderOf(port);
  REQUIRE(holder.has_value());
  CHECK(holder->how == PortHolder::How::kListens);
  CHECK(holder->pid == Pid(::getpid()));
  CHECK(holder->uid == ::getuid());
  CHECK(holder->command.contains("os_test"));
  CHECK(holder->command.size() <= kMostCommandBytes + 3);
  CHECK(holder->family == AF_INET);
  CHECK(holder->local.host[0] == 127);
  CHECK_FALSE(holder->pm2.has_value());
  const auto all = DumpTcp(1U << 10, kAnyPort);  // TCP_LISTEN
  REQUIRE(all.has_value());
  const auto ours = OpenIn(Pid(::getpid()), *all);
  REQUIRE(ours.size() == 1);
  CHECK(ours.front().local.port == port);
}

TEST_CASE("a port that nobody has has no holder") {
  const auto holder = HolderOf(FreePort());
  REQUIRE(holder.has_value());
  CHECK(holder->how == PortHolder::How::kNotToBeSeen);
  CHECK_FALSE(holder->pid.is_set());
}

TEST_CASE("a port that an outgoing connection uses is told from one that somebody listens on") {
  const std::uint16_t target = FreePort();
  const Fd listener = BoundSocket("127.0.0.1", target);
  REQUIRE(::listen(listener.get(), 1) == 0);
  const std::uint16_t port = FreePort();
  const Fd client = BoundSocket("127.0.0.1", port);
  const Loopback to = LoopbackAt("127.0.0.1", target);
  REQUIRE(::connect(client.get(), to.get(), to.size) == 0);
  const auto holder = HolderOf(port);
  REQUIRE(holder.has_value());
  CHECK(holder->how == PortHolder::How::kConnects);
  CHECK(holder->pid == Pid(::getpid()));
}

TEST_CASE("PM2's name for a process is in its environment, with its number there") {
  CHECK(Pm2NameIn(std::string_view("A=1\0name=api\0pm_id=0\0", 21)) == "api");
  CHECK(Pm2NameIn(std::string_view("A=1\0name=api\0", 13)).empty());
  CHECK(Pm2NameIn("").empty());
  CHECK(IsPm2Daemon("PM2 v5.4.3: God Daemon (/root/.pm2)"));
  CHECK_FALSE(IsPm2Daemon("node /usr/bin/pm2 logs"));
}

TEST_CASE("what loads a program is read from its file") {
  CHECK(LoadingOf("/proc/self/exe") == Loading::kDynamic);
  CHECK(LoadingOf("/etc/passwd") == Loading::kNotElf);
  CHECK(LoadingOf("/nowhere/at/all") == Loading::kNotElf);
}

}  // namespace
}  // namespace oxherd::os
