#include "cli/commands/doctor.h"

#include <doctest/doctest.h>

namespace oxherd::cli {
namespace {

using Kind = Finding::Kind;

MachineFacts Well() {
  return {.open_files = 524288,
          .backlog = 4096,
          .has_cgroup = true,
          .is_user_daemon = true,
          .has_systemd = true,
          .lingers = true,
          .comes_back = true};
}

TEST_CASE("a machine that is well gives one good finding") {
  const auto findings = JudgeMachine(Well(), "ann");
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].kind == Kind::kGood);
}

TEST_CASE("each fact that is wrong is found, with what mends it") {
  const auto only = [](MachineFacts facts) {
    const auto findings = JudgeMachine(facts, "ann");
    REQUIRE(findings.size() == 1);
    CHECK_FALSE(findings[0].mend.empty());
    return findings[0];
  };
  MachineFacts facts = Well();
  facts.open_files = 1024;
  CHECK(only(facts).kind == Kind::kAdvice);
  facts = Well();
  facts.backlog = 128;
  CHECK(only(facts).mend == "sysctl -w net.core.somaxconn=4096");
  facts = Well();
  facts.has_cgroup = false;
  CHECK(only(facts).kind == Kind::kAdvice);
  facts = Well();
  facts.lingers = false;
  CHECK(only(facts) == Finding{Kind::kBad,
                               "this user does not linger: services end when the last session does",
                               "loginctl enable-linger ann"});
  facts.is_user_daemon = false;
  CHECK(JudgeMachine(facts, "root")[0].kind == Kind::kGood);
  facts = Well();
  facts.comes_back = false;
  CHECK(only(facts).mend == "oxherd startup");
  facts.has_systemd = false;
  CHECK(JudgeMachine(facts, "ann")[0].kind == Kind::kGood);
}

TEST_CASE("a port that somebody else has is told with who has it") {
  const auto findings = JudgePorts({{"api", 3000, "pid 7 (node old.js)"}, {"web", 80, ""}});
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].what == "api wants port 3000, which pid 7 (node old.js) has");
}

}  // namespace
}  // namespace oxherd::cli
