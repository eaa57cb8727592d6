#include "cli/connection/connection.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "os/clock.h"
#include "os/lock.h"
#include "tests/cli/fake_daemon.h"

namespace oxherd::cli {
namespace {

Instant In(Millis time) { return os::Now() + time; }

TEST_CASE("without a daemon that is said, and how to start one") {
  const TestHome home;
  const auto connection = Connect(home.places());
  REQUIRE_FALSE(connection.has_value());
  CHECK(connection.error().kind == NotConnected::Kind::kNoDaemon);
  CHECK(connection.error().message.find("oxherd start") != std::string::npos);
  CHECK(connection.error().message.find(home.places().state) != std::string::npos);
}

TEST_CASE("a lock file that nobody holds is no daemon, whatever it says") {
  const TestHome home;
  REQUIRE(MakePlaces(home.places()).has_value());
  std::ofstream(home.places().lock()) << "1\n/run/somewhere.sock\n";
  const auto connection = Connect(home.places());
  REQUIRE_FALSE(connection.has_value());
  CHECK(connection.error().kind == NotConnected::Kind::kNoDaemon);
}

TEST_CASE("a lock that is held without a socket behind it is no daemon yet") {
  const TestHome home;
  REQUIRE(MakePlaces(home.places()).has_value());
  const auto lock = os::TakeLock(home.places().lock());
  REQUIRE(lock.has_value());
  CHECK(Connect(home.places()).error().kind == NotConnected::Kind::kNoDaemon);
  const auto waited = ConnectWhenThere(home.places(), In(Millis(50)), -1);
  CHECK_FALSE(waited.has_value());
}

TEST_CASE("who waits for a daemon is connected as soon as one is there") {
  const TestHome home;
  REQUIRE(MakePlaces(home.places()).has_value());
  std::thread waiting(
      [&] { CHECK(ConnectWhenThere(home.places(), In(Millis(10'000)), -1).has_value()); });
  {
    const FakeDaemon daemon(home.places(), [](FakeDaemon& self) { self.Accept(); });
    waiting.join();
  }
}

TEST_CASE("a line may come in pieces, and several at once") {
  const TestHome home;
  const FakeDaemon daemon(home.places(), [](FakeDaemon& self) {
    auto client = self.Accept();
    client.SayBytes("fir");
    client.SayBytes("st\nsecond\nthi");
    CHECK(client.ReadLine() == "go on");
    client.SayBytes("rd\n" + std::string(200'000, 'x') + "\n");
  });
  auto connection = Connect(home.places());
  REQUIRE(connection.has_value());
  std::string line;
  const Instant deadline = In(Millis(10'000));
  CHECK(connection->ReadLine(line, deadline) == Connection::Heard::kLine);
  CHECK(line == "first");
  CHECK(connection->ReadLine(line, deadline) == Connection::Heard::kLine);
  CHECK(line == "second");
  CHECK(connection->ReadLine(line, In(Millis(0))) == Connection::Heard::kDeadline);
  CHECK(connection->Send("go on\n", deadline));
  CHECK(connection->ReadLine(line, deadline) == Connection::Heard::kLine);
  CHECK(line == "third");
  CHECK(connection->ReadLine(line, deadline) == Connection::Heard::kLine);
  CHECK(line.size() == 200'000);
  CHECK(connection->ReadLine(line, deadline) == Connection::Heard::kEnd);
}

TEST_CASE("a home deeper than a socket's address is long is reached") {
  const TestHome home;
  const std::string deep = home.places().state + "/" + std::string(120, 'd');
  const Places places = PlacesFor(home.places().uid, "/nowhere", deep, "/");
  const FakeDaemon daemon(places, [](FakeDaemon& self) { self.Accept(); });
  CHECK(Connect(places).has_value());
}

TEST_CASE("folders are made for us alone, and a symlink is refused") {
  const TestHome home;
  REQUIRE(MakePlaces(home.places()).has_value());
  const auto mode = std::filesystem::status(home.places().run).permissions();
  CHECK(mode == std::filesystem::perms::owner_all);

  const std::string link = home.places().state + "/link";
  std::filesystem::create_directory_symlink(home.places().state, link);
  const auto refused = MakePlaces(PlacesFor(home.places().uid, "/nowhere", link, "/"));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find(link) != std::string::npos);
  CHECK(refused.error().message.find("OXHERD_HOME") != std::string::npos);
}

}  // namespace
}  // namespace oxherd::cli
