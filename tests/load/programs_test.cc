// Servers of all sorts, unmodified: each comes through its reloads, and sees its clients'
// addresses.
#include <doctest/doctest.h>

#include "tests/load/proof.h"

namespace oxherd::load {
namespace {

using e2e::Home;

// Not 127.0.0.1, so that it cannot be taken for a probe's or a default.
constexpr const char* kClient = "127.0.0.77";

Plan FromKnownAddress(const Home& home) {
  Plan plan = Fresh(home);
  plan.source = kClient;
  return plan;
}

// Reloads a service whose answers name their peer.
Counts ReloadNamingPeers(const Home& home) {
  Plan plan = FromKnownAddress(home);
  plan.body_has = std::string("peer=") + kClient + "\n";
  return ReloadUnder(home, plan, ShortOrLong(1, 20));
}

TEST_SUITE_BEGIN("proof_programs");

TEST_CASE("Python's own http.server, unmodified") {
  if (!Has("python3")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("python3 -m http.server ${PORT}", 1));
  home.Write("hello", "hello\n");
  home.MustRun({"start"});
  Plan plan = FromKnownAddress(home);
  plan.path = "/hello";
  plan.body_has = "hello\n";
  ReloadUnder(home, plan, ShortOrLong(1, 20));
  CHECK_SAYS(home.Log("api/0", "err"), std::string(kClient) + " - - [");
}

TEST_CASE("an asyncio server") {
  if (!Has("python3")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("python3 asyncio_server.py", 2, {}, "0.0.0.0:@port"));
  home.MustRun({"start"});
  ReloadNamingPeers(home);
  CHECK_SAYS(home.Log("api/0"), std::string(kClient) + " asked");
}

TEST_CASE("gunicorn, with its workers") {
  if (!Has("gunicorn")) {
    return;
  }
  const Home home;
  WriteService(home,
               Serving("gunicorn --workers 2 --bind 0.0.0.0:${PORT} --access-logfile - wsgi:app", 1,
                       {}, "0.0.0.0:@port"));
  home.MustRun({"start"});
  ReloadNamingPeers(home);
  CHECK_SAYS(home.Log("api/0"), std::string(kClient) + " - - [");
}

TEST_CASE("nginx itself as the managed program") {
  if (!Has("nginx")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("nginx -p @folder -e stderr -c nginx.conf -g \"daemon off; pid "
                             "nginx.pid; user root;\"",
                             1, {}, "0.0.0.0:@port"));
  home.MustRun({"start"});
  ReloadNamingPeers(home);
  CHECK_SAYS(home.Read("access.log"), std::string(kClient) + " - - [");
}

TEST_CASE("a C server that binds 0.0.0.0") {
  const Home home;
  WriteService(home, Serving(CServer(), 2, {}, "0.0.0.0:@port"));
  home.MustRun({"start"});
  ReloadNamingPeers(home);
}

TEST_CASE("a C server that binds 0.0.0.0 where listen is a bare port, which opens [::] first") {
  const Home home;
  WriteService(home, Serving(CServer(), 2));
  home.MustRun({"start"});
  ReloadNamingPeers(home);
}

TEST_CASE("a server that ends its listening socket at SIGTERM is repaired, and fails nobody") {
  const Home home;
  WriteService(home, Serving(CServer() + " shutdown", 2, {}, "0.0.0.0:@port"));
  home.MustRun({"start"});
  ReloadNamingPeers(home);
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::load
