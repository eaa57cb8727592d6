#include "cli/places.h"

#include <doctest/doctest.h>

#include <cstdlib>

namespace oxherd::cli {
namespace {

TEST_CASE("a user's daemon lives below the home folder of the passwd entry") {
  const Places places = PlacesFor(1000, "/home/me", "", "/srv");
  CHECK(places.state == "/home/me/.local/state/oxherd");
  CHECK(places.run == "/home/me/.local/state/oxherd/run");
  CHECK(places.logs == "/home/me/.local/state/oxherd/logs");
  CHECK(places.lock() == "/home/me/.local/state/oxherd/daemon.lock");
}

TEST_CASE("root's daemon lives where a system's does") {
  const Places places = PlacesFor(0, "/root", "", "/srv");
  CHECK(places.state == "/var/lib/oxherd");
  CHECK(places.run == "/run/oxherd");
  CHECK(places.logs == "/var/log/oxherd");
}

TEST_CASE("OXHERD_HOME puts everything under one folder, whoever asks") {
  for (const uid_t uid : {0U, 1000U}) {
    const Places places = PlacesFor(uid, "/home/me", "/data/ox/", "/srv");
    CHECK(places.state == "/data/ox");
    CHECK(places.run == "/data/ox/run");
    CHECK(places.logs == "/data/ox/logs");
  }
  CHECK(PlacesFor(1000, "/home/me", "ox", "/srv").state == "/srv/ox");
}

TEST_CASE("the home folder is read from passwd by number") {
  constexpr const char* kPasswd =
      "root:x:0:0:root:/root:/bin/bash\n"
      "broken line\n"
      "+nis\n"
      "me:x:1000:1000:Me,,,:/home/me:/bin/sh\n"
      "homeless:x:1001:1001:::/bin/sh\n"
      "last:x:1002:1002::/home/last:/bin/sh";
  CHECK(HomeInPasswd(kPasswd, 0) == "/root");
  CHECK(HomeInPasswd(kPasswd, 1000) == "/home/me");
  CHECK(HomeInPasswd(kPasswd, 1002) == "/home/last");
  CHECK_FALSE(HomeInPasswd(kPasswd, 1001).has_value());
  CHECK_FALSE(HomeInPasswd(kPasswd, 100).has_value());
  CHECK_FALSE(HomeInPasswd("", 0).has_value());
}

// systemd-tmpfiles and the like clean up there.
TEST_CASE("the socket is never in /tmp, whatever HOME, TMPDIR and XDG_RUNTIME_DIR say") {
  REQUIRE(unsetenv("OXHERD_HOME") == 0);
  const auto before = FindPlaces();
  REQUIRE(before.has_value());
  for (const char* name : {"HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"}) {
    REQUIRE(setenv(name, "/tmp/somewhere", 1) == 0);
  }
  const auto after = FindPlaces();
  REQUIRE(after.has_value());
  CHECK(after->run == before->run);
  CHECK_FALSE(after->run.starts_with("/tmp"));
}

}  // namespace
}  // namespace oxherd::cli
