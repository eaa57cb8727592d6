// `listen`: addresses, what they mean for the other keys, and what is wrong with them.
#include "config/environment.h"
#include "config/listen_address.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

std::string Addresses(const Spec& spec) {
  std::string all;
  for (const ListenAddress& each : spec.policy.listen) all += each.address + " ";
  return all;
}

TEST_CASE("listen = \"auto\": an address of ours, which nobody knows yet") {
  const Surroundings here;
  const Spec spec = here.ReadOne(Api("listen = \"auto\"\ninstances = 4"));
  CHECK(spec.policy.auto_listen == AutoListen::kUnknown);
  CHECK(spec.policy.listen.empty());
  CHECK(spec.policy.ready_by == ReadyBy::kListen);
  CHECK(spec.policy.drain == Millis(200));
  const std::string defaults = "[defaults]\nlisten = \"auto\"\n" + Api("listen = 3000");
  CHECK(here.ReadOne(defaults).policy.auto_listen == AutoListen::kNo);
  CHECK(here.Errors(Api("listen = \"auto\"\nport_base = 3000")).contains("keep one of the two"));
  CHECK(here.Errors(Api("type = \"oneshot\"\nlisten = \"auto\"")).contains("serves nobody"));
}

TEST_CASE("every way to write an address gives its one canonical form") {
  const Surroundings here;
  CHECK(Addresses(here.ReadOne(Api("listen = 3000"))) == "tcp:[::]:3000 ");
  CHECK(here.ReadOne(Api("listen = 3000")).policy.listen.front().any_family);
  CHECK(Addresses(here.ReadOne(Api("listen = \"3000\""))) == "tcp:[::]:3000 ");
  CHECK(Addresses(here.ReadOne(Api("listen = \"*:3000\""))) == "tcp:[::]:3000 ");
  CHECK(Addresses(here.ReadOne(Api("listen = \"[::]:3000\""))) == "tcp:[::]:3000 ");
  CHECK_FALSE(here.ReadOne(Api("listen = \"[::]:3000\"")).policy.listen.front().any_family);
  CHECK(Addresses(here.ReadOne(Api("listen = \"localhost:3000\""))) == "tcp:127.0.0.1:3000 ");
  CHECK(Addresses(here.ReadOne(Api("listen = \"[0:0::1]:3000\""))) == "tcp:[::1]:3000 ");
  CHECK(Addresses(here.ReadOne(Api("listen = [\"127.0.0.1:1\", 2, \"unix:run/x.sock\"]"))) ==
        "tcp:127.0.0.1:1 tcp:[::]:2 unix:/srv/app/run/x.sock ");
  CHECK(Addresses(here.ReadOne(Api("env = { P = 81 }\nlisten = \"127.0.0.1:${P}\""))) ==
        "tcp:127.0.0.1:81 ");
}

TEST_CASE("an address is written back as people write it") {
  for (const char* text : {"3000", "127.0.0.1:80", "[::1]:80", "unix:/run/a.sock"}) {
    CHECK(Written(ParseListenAddress(text, "/").value()) == text);
  }
}

TEST_CASE("what is no address says what to write instead") {
  const Surroundings here;
  const auto error = [&](std::string_view value) {
    return here.Errors(Api("listen = " + std::string(value)));
  };
  CHECK(error("0").contains("\"0\" is no address to listen on; write 3000"));
  CHECK(error("65536").contains("is no address"));
  CHECK(error("-1").contains("is no address"));
  CHECK(error("\"\"").contains("is no address"));
  CHECK(error("true").contains("expected a port, \"127.0.0.1:3000\""));
  CHECK(error("\"127.0.0.1:\"").contains("has no port from 1 to 65535"));
  CHECK(error("\"127.0.0.1:x\"").contains("has no port from 1 to 65535"));
  CHECK(error("\"::1:3000\"").contains("write an IPv6 address in brackets: \"[::1]:3000\""));
  CHECK(error("\"[::g]:3000\"").contains("is no address"));
  CHECK(error("\"db.local:3000\"").contains("\"db.local\" is a name"));
  CHECK(error("\"unix:\"").contains("no path after"));
  CHECK(error("\"unix:/" + std::string(107, 'x') + "\"").contains("at most 107 bytes"));
  CHECK(error("[3000, \"auto\"]").contains("\"auto\" stands alone"));
  CHECK(error("\"127.0.0.1:${3000 + INSTANCE}\"").contains("write port_base"));
  CHECK(error("\"127.0.0.1:${PORT}\"").contains("${PORT} is not set"));
}

TEST_CASE("one address belongs to one service, once") {
  const Surroundings here;
  CHECK(here.Errors(Api("listen = [3000, \"127.0.0.1:3000\"]")) ==
        "3:17: processes.api.listen: 127.0.0.1:3000 is in 3000 already; keep one of them");
  const auto two = [](std::string_view one, std::string_view other) {
    return "[processes.a]\ncommand = \"x\"\nlisten = " + std::string(one) +
           "\n[processes.b]\ncommand = \"x\"\nlisten = " + std::string(other) + "\n";
  };
  CHECK(here.Errors(two("3000", "\"0.0.0.0:3000\"")) ==
        "6:10: processes.b.listen: 0.0.0.0:3000 is a's already; two services cannot have one "
        "address");
  CHECK(here.Errors(two("\"unix:x\"", "\"unix:/srv/app/x\"")).contains("is a's already"));
  CHECK(here.Read(two("\"127.0.0.1:3000\"", "\"127.0.0.2:3000\"")).specs.size() == 2);
  CHECK(here.Read(two("\"[::1]:3000\"", "\"0.0.0.0:3000\"")).specs.size() == 2);
}

TEST_CASE("listen goes with what it can be had with") {
  const Surroundings here;
  CHECK(here.Errors(Api("listen = 3000\nport_base = 3000")).contains("keep one of the two"));
  CHECK(here.Errors(Api("listen = 3000\ntype = \"oneshot\"")).contains("a oneshot serves nobody"));
  CHECK(here.Errors(Api("listen = 3000\ninstances = 257")).contains("at most 256 instances"));
  CHECK(here.Errors(Api("listen = 3000\ndrain_ms = 9000")).contains("is more than drain_max_ms"));
  CHECK(here.Notes(Api("drain_ms = 100")).contains("does nothing without listen"));
  CHECK(here.ReadOne(Api("listen = 3000")).policy.drain == Millis(200));
  CHECK(here.ReadOne(Api("listen = 3000\ndrain_max_ms = 50")).policy.drain == Millis(50));
  CHECK(
      here.ReadOne(Api("listen = 3000\nreload_strategy = \"stop-first\"")).policy.reload_strategy ==
      ReloadStrategy::kStopFirst);
}

TEST_CASE("with listen instances can be told apart on one port, and need no other proof") {
  const Surroundings here;
  const std::string check = "health_check = { endpoint = \"http://127.0.0.1:3000/\" }\n";
  CHECK(here.ReadOne(Api("listen = 3000\ninstances = 4\n" + check)).policy.ready_by ==
        ReadyBy::kHealth);
  CHECK(here.Notes(Api("listen = 3000\n" + check)).empty());
  CHECK(
      here.Errors(Api("listen = 3001\ninstances = 4\n" + check)).contains("none of them be told"));
  CHECK(here.ReadOne(Api("listen = 3000")).policy.ready_by == ReadyBy::kListen);
  CHECK(here.ReadOne(Api("listen = \"unix:x\"")).policy.ready_by == ReadyBy::kUptime);
  CHECK(here.ReadOne(Api("listen = 3000\nready_log = \"up\"")).policy.ready_by == ReadyBy::kLog);
  CHECK(here.ReadOne(Api("ready = \"notify\"")).policy.ready_by == ReadyBy::kNotify);
  CHECK(here.Errors(Api("ready = \"listen\"")).contains("add listen = 3000"));
}

TEST_CASE("PORT is the first port of listen, unless env says otherwise") {
  const Surroundings here;
  const auto port = [&](std::string_view keys) {
    const Spec spec = here.ReadOne(Api(keys));
    const auto environment = BuildEnvironment(spec, {3, Generation(1), Token(1)}, {});
    REQUIRE(environment.has_value());
    for (const auto& [name, value] : *environment) {
      if (name == "PORT") return value;
    }
    return std::string("none");
  };
  CHECK(port("listen = [\"unix:x\", \"127.0.0.1:3000\", 4000]") == "3000");
  CHECK(port("listen = 3000\nenv = { PORT = 5 }") == "5");
  CHECK(port("listen = \"unix:x\"") == "none");
  CHECK(here.ReadOne(Api("listen = 3000\nhealth_check = { tcp = \"127.0.0.1:${PORT}\" }"))
            .health_check.target == "127.0.0.1:${PORT}");
}

}  // namespace
}  // namespace oxherd
