#include <doctest/doctest.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "tests/keeper/book_desk.h"

namespace oxherd::keeper {
namespace {

// ---- A process, from spawn to Ack. ----

TEST_CASE("the first tick starts the first daemon, which is greeted before anything else") {
  Desk desk;
  desk.book.OnTick(desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{StartDaemon{.number = 1, .use_image = true}});
  desk.book.OnDaemonStarted(desk.now);
  const std::vector<Report> reports = desk.Reports();
  REQUIRE(reports.size() == 1);
  CHECK(std::get<Hello>(reports[0]) == Hello{.version = kProtocolVersion,
                                             .keeper = Pid(7),
                                             .daemon_number = 1,
                                             .use_image = true,
                                             .terminations = 0});
}

TEST_CASE("a process that starts, exits and leaves nothing is reported in that order") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnRequest(Desk::SpawnOf(1), desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{SpawnProcess{.place = 0, .token = Token(1)}});
  desk.book.OnForked(Token(1), Pid(101), true);
  CHECK(desk.Reports().empty());
  desk.book.OnStarted(Token(1), desk.now);
  desk.Exit(1, 3);
  desk.book.OnTreeEmpty(Token(1), desk.now);
  const std::vector<Report> reports = desk.Reports();
  REQUIRE(reports.size() == 3);
  CHECK(std::get<Started>(reports[0]) ==
        Started{.token = Token(1), .pid = Pid(101), .in_cgroup = true, .at = desk.now});
  CHECK(std::get<Exited>(reports[1]).record.status == ExitStatus::Code(3));
  CHECK(std::get<Gone>(reports[2]) == Gone{.token = Token(1), .at = desk.now});
}

TEST_CASE("a token is forgotten when it is acknowledged after Gone, and not before") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.Exit(1);
  CHECK(Only<Exited>(desk.Reports()).size() == 1);
  desk.book.OnRequest(Ack{Token(1)}, desk.now);
  CHECK(desk.Effects().empty());
  desk.book.OnTreeEmpty(Token(1), desk.now);
  desk.book.OnRequest(Ack{Token(1)}, desk.now);
  CHECK(desk.Effects().empty());  // Gone is not sent yet
  CHECK(Only<Gone>(desk.Reports()).size() == 1);
  desk.book.OnRequest(Ack{Token(1)}, desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{Forget{.place = 0, .token = Token(1)}});
  CHECK(desk.book.count() == 0);
}

TEST_CASE("an exit comes before an empty tree, whatever the kernel says first") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.book.OnTreeEmpty(Token(1), desk.now);
  CHECK(desk.Reports().empty());
  desk.Exit(1);
  desk.book.OnTreeEmpty(Token(1), desk.now);
  const std::vector<Report> reports = desk.Reports();
  REQUIRE(reports.size() == 2);
  CHECK(std::holds_alternative<Exited>(reports[0]));
  CHECK(std::holds_alternative<Gone>(reports[1]));
}

TEST_CASE("a failed spawn is reported with its stage and forgotten without an acknowledgement") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnRequest(Desk::SpawnOf(1), desk.now);
  desk.Effects();
  desk.book.OnForked(Token(1), Pid(101), false);
  desk.book.OnSpawnFailed(Token(1), Stage::kDirectory, ENOENT);
  CHECK(Only<SpawnFailed>(desk.Reports()) ==
        std::vector{
            SpawnFailed{.token = Token(1), .stage = Stage::kDirectory, .error_number = ENOENT}});
  CHECK(Only<Forget>(desk.Effects()).size() == 1);
  CHECK(desk.book.count() == 0);
}

TEST_CASE("a token that is known is not spawned again: its state is told") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.book.OnRequest(Desk::SpawnOf(1), desk.now);
  CHECK(desk.Effects().empty());
  const auto records = Only<WorldRecord>(desk.Reports());
  REQUIRE(records.size() == 1);
  CHECK(records[0].phase == Phase::kRunning);
}

TEST_CASE("a full table fails the spawn and nothing else, and has room again after an Ack") {
  Desk desk(2);
  desk.WithDaemon().Running(1);
  desk.Running(2);
  desk.book.OnRequest(Desk::SpawnOf(3), desk.now);
  CHECK(desk.Effects().empty());
  CHECK_FALSE(desk.book.accepts_requests());
  CHECK(
      Only<SpawnFailed>(desk.Reports()) ==
      std::vector{SpawnFailed{.token = Token(3), .stage = Stage::kTable, .error_number = ENOSPC}});
  CHECK(desk.book.accepts_requests());
  desk.Exit(1);
  desk.book.OnTreeEmpty(Token(1), desk.now);
  desk.Reports();
  desk.book.OnRequest(Ack{Token(1)}, desk.now);
  desk.Effects();
  desk.book.OnRequest(Desk::SpawnOf(4), desk.now);
  CHECK(Only<SpawnProcess>(desk.Effects()).size() == 1);
}

// ---- Stopping. ----

TEST_CASE("SIGKILL goes to the tree at kill_at, not before, and once") {
  Desk desk;
  desk.WithDaemon().Running(1);
  const Instant kill_at = desk.now + Seconds(3);
  desk.book.OnRequest(
      Stop{.token = Token(1), .signal = SIGTERM, .scope = Scope::kGroup, .kill_at = kill_at},
      desk.now);
  const auto signals = Only<SendSignal>(desk.Effects());
  REQUIRE(signals.size() == 1);
  CHECK(signals[0].signal == SIGTERM);
  CHECK(signals[0].then == SendSignal::Then::kContinue);
  CHECK(desk.book.NextDeadline() == kill_at);
  desk.Advance(Seconds(3) - Duration(1));
  CHECK(desk.Effects().empty());
  desk.Advance(Duration(1));
  CHECK(desk.Effects() == std::vector<Effect>{KillTree{.place = 0, .token = Token(1)}});
  CHECK(Only<KillFired>(desk.Reports()) ==
        std::vector{KillFired{.token = Token(1), .at = kill_at}});
  desk.Advance(Seconds(1));
  CHECK(Only<KillTree>(desk.Effects()).empty());
}

TEST_CASE("a second Stop sends no second signal and can only bring the deadline forward") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.book.OnRequest(Stop{Token(1), SIGTERM, Scope::kGroup, desk.now + Seconds(3)}, desk.now);
  desk.Effects();
  desk.book.OnRequest(Stop{Token(1), SIGTERM, Scope::kGroup, desk.now + Seconds(9)}, desk.now);
  CHECK(desk.Effects().empty());
  CHECK(desk.book.NextDeadline() == desk.now + Seconds(3));
  desk.book.OnRequest(Stop{Token(1), SIGINT, Scope::kGroup, desk.now + Seconds(1)}, desk.now);
  CHECK(desk.Effects().empty());
  CHECK(desk.book.NextDeadline() == desk.now + Seconds(1));
}

TEST_CASE("what the main process leaves behind keeps the deadline") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.book.OnRequest(Stop{Token(1), SIGTERM, Scope::kGroup, desk.now + Seconds(2)}, desk.now);
  desk.Exit(1);
  desk.Effects();
  desk.Advance(Seconds(2));
  CHECK(Only<KillTree>(desk.Effects()).size() == 1);
}

TEST_CASE("a stop signal waits until the exec is confirmed, its deadline does not") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnRequest(Desk::SpawnOf(1), desk.now);
  desk.Effects();
  desk.book.OnForked(Token(1), Pid(101), false);
  desk.book.OnRequest(Stop{Token(1), SIGTERM, Scope::kMain, desk.now + Seconds(2)}, desk.now);
  CHECK(desk.Effects().empty());
  CHECK(desk.book.NextDeadline() == desk.now + Seconds(2));
  desk.book.OnStarted(Token(1), desk.now);
  CHECK(Only<SendSignal>(desk.Effects()).size() == 1);
}

TEST_CASE("nothing is signalled for a token that is gone or unknown") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.Exit(1);
  desk.book.OnTreeEmpty(Token(1), desk.now);
  for (const std::uint64_t token : {1U, 2U}) {
    desk.book.OnRequest(Stop{Token(token), SIGTERM, Scope::kGroup, desk.now}, desk.now);
    desk.book.OnRequest(Kill{Token(token)}, desk.now);
    desk.book.OnRequest(Signal{Token(token), SIGUSR1, Scope::kMain}, desk.now);
  }
  desk.Advance(Seconds(1));
  CHECK(desk.Effects().empty());
}

}  // namespace
}  // namespace oxherd::keeper
