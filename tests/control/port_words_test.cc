// The sentence for each cause of a taken port. That its advice helps is tested in tests/e2e.
#include "control/port_words.h"

#include <doctest/doctest.h>

namespace oxherd::control {
namespace {

using Cause = TakenPort::Cause;

TakenPort Taken(Cause cause) {
  TakenPort taken;
  taken.cause = cause;
  taken.port = 3000;
  taken.pid = Pid(47);
  taken.uid = 33;
  taken.command = "node other.js";
  taken.name = "web/0";
  taken.other = Generation(7);
  return taken;
}

TEST_CASE("each cause of a taken port has a sentence of its own, which says how to mend it") {
  CHECK(TakenBy(Taken(Cause::kStranger)) ==
        "\"node other.js\" (pid 47), which is no service here; stop it (kill 47), or use another "
        "port");
  CHECK(TakenBy(Taken(Cause::kPm2)) ==
        "PM2's process web/0, \"node other.js\" (pid 47); end it there: pm2 delete web/0");
  CHECK(TakenBy(Taken(Cause::kGeneration)) ==
        "gen 7, which runs until the new one is ready; write listen = 3000, or reload_strategy = "
        "\"stop-first\"");
  CHECK(TakenBy(Taken(Cause::kSibling)) ==
        "web/0; for several instances write listen = 3000, or port_base = 3000, which gives each a "
        "PORT of its own");
  CHECK(TakenBy(Taken(Cause::kService)) == "web/0 (pid 47); give one of the two another port");
  CHECK(TakenBy(Taken(Cause::kListenOf)) == "listen of web/0; give one of the two another port");
  CHECK(TakenBy(Taken(Cause::kConnection)) ==
        "an outgoing connection of \"node other.js\" (pid 47); use a port below 32768");
}

TEST_CASE("a process of another user's is told by its uid, and how to see it") {
  TakenPort taken = Taken(Cause::kStranger);
  taken.pid = Pid();
  CHECK(TakenBy(taken) ==
        "another user's process (uid 33), which cannot be seen from here; sudo ss -ltnp 'sport = "
        ":3000' names it");
}

TEST_CASE("a further port of the program is to be added to what listen names") {
  TakenPort taken = Taken(Cause::kSecondPort);
  taken.name = "";
  taken.port = 9229;
  taken.host = "127.0.0.1";
  taken.listed = {"3000"};
  CHECK(TakenBy(taken) ==
        "gen 7: it is a further port of the program, which listen does not name; write listen = "
        "[3000, \"127.0.0.1:9229\"]");
}

}  // namespace
}  // namespace oxherd::control
