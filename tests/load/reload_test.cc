// A reload loses nothing: the rows of the proof in which all goes well.
#include <doctest/doctest.h>

#include "tests/e2e/http.h"
#include "tests/load/proof.h"
#include "tests/load/wire.h"

namespace oxherd::load {
namespace {

using e2e::Home;

// Generations that have answered: each instance of each, once.
void CheckThatAllAnswered(const Counts& counts, int instances, int reloads) {
  CHECK(counts.bodies.size() == static_cast<std::size_t>(instances * (reloads + 1)));
}

TEST_SUITE_BEGIN("proof_reload");

TEST_CASE("reloads of two unmodified Node servers fail no request of fresh clients") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 2));
  home.MustRun({"start"});
  const int reloads = ShortOrLong(3, 100);
  CheckThatAllAnswered(ReloadUnder(home, Fresh(home), reloads), 2, reloads);
}

TEST_CASE("the control: without listen a stop-first reload refuses clients, and the load sees it") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home,
               "command = 'node plain.js'\nenv = { PORT = \"@port\" }\nmin_uptime_ms = 150\n"
               "reload_strategy = \"stop-first\"\n");
  home.MustRun({"start"});
  e2e::WaitUntil("the server", [&] { return !e2e::IsFree(home.port()); });
  const Plan plan = Fresh(home);
  Load load(plan);
  WaitForAnswers(load, plan);
  home.MustRun({"reload", "api"});
  WaitForAnswers(load, plan);
  const Counts counts = load.Finish();
  MESSAGE("the control: " << counts.Told());
  CHECK(counts.of(Cause::kRefused) > 0);
}

TEST_CASE("reloads of a single Node server fail no request of fresh clients") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 1));
  home.MustRun({"start"});
  const int reloads = ShortOrLong(3, 100);
  CheckThatAllAnswered(ReloadUnder(home, Fresh(home), reloads), 1, reloads);
}

TEST_CASE("requests that take a second are finished by a server that knows no signals") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 2, "reload_parallel = 2\n"));
  home.MustRun({"start"});
  Plan plan = Fresh(home);
  plan.path = "/slow";
  ReloadUnder(home, plan, ShortOrLong(1, 20));
}

TEST_CASE("a health check on the service's own port is answered by the new one alone") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 2,
                             "health_check = { endpoint = \"http://127.0.0.1:@port/\" }"));
  home.MustRun({"start"});
  const int reloads = ShortOrLong(2, 20);
  CheckThatAllAnswered(ReloadUnder(home, Fresh(home), reloads), 2, reloads);
}

TEST_CASE("clients over IPv6 lose nothing either") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 2));
  home.MustRun({"start"});
  Plan plan = Fresh(home);
  plan.host = "::1";
  plan.body_has = "peer=::1\n";
  ReloadUnder(home, plan, ShortOrLong(2, 20));
}

TEST_CASE("silent clients do not hold up a reload, and are let go") {
  if (!Has("node")) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 1));
  home.MustRun({"start"});
  Plan silent = Fresh(home);
  silent.clients = Clients::kSilent;
  silent.connections = 50;
  Load visitors(silent);
  e2e::WaitUntil("fifty silent clients", [&] { return visitors.established() == 50; });
  ReloadUnder(home, Fresh(home), 1);
  CHECK(visitors.Finish().let_go >= 50);
}

TEST_CASE("handshakes that end 300 ms after they began are served, on whichever side of the flip") {
  const auto wire = Has("node") ? Wire::Lay() : nullptr;
  if (wire == nullptr) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 1, "drain_ms = 0"));
  home.MustRun({"start"});
  Plan plan = Fresh(home);
  plan.host = Wire::kNear;
  plan.in_thread = [&] { wire->GoToFarEnd(); };
  wire->set_delay(milliseconds(300));
  const Counts counts = ReloadUnder(home, plan, ShortOrLong(2, 20));
  CHECK(wire->delayed() > counts.ok);
  CHECK(counts.Latency(0) >= milliseconds(300));
}

TEST_CASE("a handshake whose SYN-ACK was lost before the flip is served after it") {
  const auto wire = Has("node") ? Wire::Lay() : nullptr;
  if (wire == nullptr) {
    return;
  }
  const Home home;
  WriteService(home, Serving("node plain.js", 1, "drain_ms = 0"));
  home.MustRun({"start"});
  Plan plan = Fresh(home);
  plan.host = Wire::kNear;
  plan.in_thread = [&] { wire->GoToFarEnd(); };
  wire->set_loses_first_syn_ack(true);
  const Counts counts = ReloadUnder(home, plan, ShortOrLong(1, 10));
  CHECK(wire->lost() >= counts.ok);
  CHECK(counts.Latency(0) >= milliseconds(900));
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::load
