// What last lines say of a port: the words of many languages.
#include "daemon/traffic/port_evidence.h"

#include <doctest/doctest.h>

#include <array>

namespace oxherd {
namespace {

struct Row {
  const char* line;
  std::uint16_t port;  // 0: none is named
};
constexpr std::array kRows = {
    Row{"Error: listen EADDRINUSE: address already in use :::3000", 3000},
    Row{"Error: listen EADDRINUSE: address already in use 127.0.0.1:3000", 3000},
    Row{"Starting inspector on 127.0.0.1:9229 failed: address already in use", 9229},
    Row{"OSError: [Errno 98] Address already in use", 0},
    Row{"OSError: [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address "
        "already in use",
        8000},
    Row{"[2026-11-22 09:10:05 +0000] [17] [ERROR] Connection in use: ('127.0.0.1', 8000)", 8000},
    Row{"2026/11/22 09:10:05 [emerg] 17#17: bind() to 0.0.0.0:80 failed (98: Address already in "
        "use)",
        80},
    Row{"2026/11/22 09:10:05 listen tcp :8080: bind: address already in use", 8080},
    Row{"Web server failed to start. Port 8080 was already in use.", 8080},
    Row{"Address already in use - bind(2) for \"127.0.0.1\" port 3000 (Errno::EADDRINUSE)", 3000},
    Row{"called `Result::unwrap()` on an `Err` value: Os { code: 98, kind: AddrInUse, message: "
        "\"Address already in use\" }",
        0},
    Row{"(98)Address already in use: AH00072: make_sock: could not bind to address [::]:80", 80},
    Row{"Failed to listen on localhost:8000 (reason: Address already in use)", 8000},
    Row{"Error: Port 5173 is already in use", 5173},
    Row{"misbehave: bind 3000: Address already in use", 3000},
};

TEST_CASE("the words of many languages for a taken port are understood, and which port it is") {
  for (const Row& row : kRows) {
    CAPTURE(row.line);
    const PortEvidence evidence = EvidenceIn({"starting at 12:00:01 on port 1234", row.line});
    CHECK(evidence.is_taken);
    CHECK_FALSE(evidence.is_path);
    if (row.port == 0) continue;
    REQUIRE_FALSE(evidence.ports.empty());
    CHECK(evidence.ports.front() == row.port);
  }
}

TEST_CASE("the fields that Node prints below an error name its port") {
  const PortEvidence evidence =
      EvidenceIn({"  code: 'EADDRINUSE',", "  errno: -98,", "  port: 3000"});
  CHECK(evidence.is_taken);
  REQUIRE(evidence.ports.size() == 1);
  CHECK(evidence.ports.front() == 3000);
}

TEST_CASE("lines about anything else are no evidence") {
  const PortEvidence evidence =
      EvidenceIn({"Error: Cannot find module './routes'", "listening on port 3000", "port: 3000",
                  "the file is already in use", "    at server.js:98:3", ""});
  CHECK_FALSE(evidence.is_taken);
  CHECK(evidence.ports.empty());
}

TEST_CASE("a Unix socket that is in use is told from a port") {
  CHECK(EvidenceIn({"Error: listen EADDRINUSE: address already in use /run/api.sock"}).is_path);
}

TEST_CASE("an endless row of numbers gives a bounded number of ports") {
  std::string line = "address already in use";
  for (int i = 1; i < 1000; ++i) line += " " + std::to_string(i);
  CHECK(EvidenceIn({line}).ports.size() <= 16);
}

}  // namespace
}  // namespace oxherd
