#include <doctest/doctest.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "tests/keeper/book_desk.h"

namespace oxherd::keeper {
namespace {

// ---- A daemon's death. ----

TEST_CASE("a new daemon hears nothing of processes until it asks, and then everything once") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.Running(2);
  desk.book.OnRequest(Stop{Token(1), SIGTERM, Scope::kGroup, desk.now + Seconds(60)}, desk.now);
  desk.NewDaemon();
  desk.Exit(2, 5);
  desk.book.OnTreeEmpty(Token(2), desk.now);
  const std::vector<Report> before = desk.Reports();
  REQUIRE(before.size() == 1);
  CHECK(std::get<Hello>(before[0]).daemon_number == 2);

  desk.book.OnRequest(World{}, desk.now);
  const std::vector<Report> world = desk.Reports();
  REQUIRE(world.size() == 3);
  const auto& first = std::get<WorldRecord>(world[0]);
  CHECK(first.token == Token(1));
  CHECK(first.phase == Phase::kRunning);
  CHECK(first.stop_sent_at == kStart);
  CHECK(first.kill_at == kStart + Seconds(60));
  CHECK(first.held.count == 1);
  CHECK(first.held.list[0] == Role::kStdout);
  const auto& second = std::get<WorldRecord>(world[1]);
  CHECK(second.phase == Phase::kGone);
  CHECK(second.exit.status == ExitStatus::Code(5));
  CHECK(std::get<WorldEnd>(world[2]) == WorldEnd{.records = 2, .held = 0, .highest = Token(2)});
  CHECK(desk.Reports().empty());

  desk.book.OnRequest(Ack{Token(2)}, desk.now);  // it has heard of Gone through the world
  CHECK(Only<Forget>(desk.Effects()).size() == 1);
}

TEST_CASE("kill_at is carried out while no daemon is alive, and the next one sees that it was") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.book.OnRequest(Stop{Token(1), SIGTERM, Scope::kGroup, desk.now + Millis(50)}, desk.now);
  desk.Effects();
  desk.book.OnDaemonGone(desk.now);
  desk.Effects();
  desk.Advance(Millis(50));
  CHECK(Only<KillTree>(desk.Effects()).size() == 1);
  desk.book.OnDaemonStarted(desk.now);
  desk.book.OnRequest(World{}, desk.now);
  const auto records = Only<WorldRecord>(desk.Reports());
  REQUIRE(records.size() == 1);
  CHECK(records[0].kill_fired_at == kStart + Millis(50));
}

TEST_CASE(
    "what was sent to a dead daemon is said again to the next; Gone has to be acknowledged anew") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.Exit(1, 9);
  desk.book.OnTreeEmpty(Token(1), desk.now);
  CHECK(desk.Reports().size() == 2);
  desk.NewDaemon();
  desk.book.OnRequest(Ack{Token(1)}, desk.now);
  CHECK(desk.Effects().empty());
  desk.book.OnRequest(World{}, desk.now);
  CHECK(Only<WorldRecord>(desk.Reports()).at(0).exit.status == ExitStatus::Code(9));
}

TEST_CASE("a daemon's checks die with it, unreported; its hooks and instances live on") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.Running(2, ProcessKind::kHook);
  desk.Running(3, ProcessKind::kCheck);
  desk.book.OnDaemonGone(desk.now);
  CHECK(Only<KillTree>(desk.Effects()) == std::vector{KillTree{.place = 2, .token = Token(3)}});
  desk.book.OnDaemonStarted(desk.now);
  desk.book.OnRequest(World{}, desk.now);
  const std::vector<Report> world = desk.Reports();
  CHECK(Only<WorldRecord>(world).size() == 2);
  CHECK(Only<WorldEnd>(world).at(0).highest == Token(3));
  desk.Exit(3);
  desk.book.OnTreeEmpty(Token(3), desk.now);
  CHECK(desk.Reports().empty());
  CHECK(Only<Forget>(desk.Effects()).size() == 1);
}

TEST_CASE("news during the world's answer are part of it or follow it, never both") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.Running(2);
  desk.NewDaemon();
  desk.book.OnRequest(World{}, desk.now);
  CHECK(std::holds_alternative<Hello>(desk.book.NextReport()->report));
  desk.book.ReportSent();
  CHECK(std::get<WorldRecord>(desk.book.NextReport()->report).token == Token(1));
  desk.book.ReportSent();
  desk.Exit(1);  // told already: follows
  desk.Exit(2);  // not told yet: part of it
  const std::vector<Report> rest = desk.Reports();
  REQUIRE(rest.size() == 3);
  CHECK(std::get<WorldRecord>(rest[0]).phase == Phase::kExited);
  CHECK(std::get<Exited>(rest[1]).token == Token(1));
  CHECK(std::get<WorldEnd>(rest[2]).records == 2);
}

TEST_CASE("a daemon that crashes is started again at once, then later and later") {
  Desk desk;
  desk.WithDaemon();
  for (int crash = 0; crash < 9; ++crash) {
    desk.book.OnDaemonGone(desk.now);
    if (Only<StartDaemon>(desk.Effects()).empty()) {
      desk.Advance(desk.book.NextDeadline() - desk.now - Duration(1));
      CHECK(desk.Effects().empty());
      desk.Advance(Duration(1));
      CHECK(Only<StartDaemon>(desk.Effects()).size() == 1);
    }
    desk.book.OnDaemonStarted(desk.now);
    desk.Reports();
  }
  // 0.1 + 1 + 2 + 4 + 8 + 16 + 30 + 30 seconds
  CHECK(ToMillis(desk.now - kStart) == 91'100);
}

TEST_CASE(
    "after five crashes in a minute the daemon starts without its image, until one has lived") {
  Desk desk;
  desk.WithDaemon();
  for (int crash = 1; crash <= 5; ++crash) {
    desk.book.OnDaemonGone(desk.now);
    if (crash > 1) desk.Advance(desk.book.NextDeadline() - desk.now);
    const auto starts = Only<StartDaemon>(desk.Effects());
    REQUIRE(starts.size() == 1);
    CHECK(starts[0].use_image == (crash < 5));
    desk.book.OnDaemonStarted(desk.now);
  }
  desk.now += Seconds(61);
  desk.book.OnDaemonGone(desk.now);
  CHECK(Only<StartDaemon>(desk.Effects()).at(0).use_image);
}

TEST_CASE("a program that cannot even be started the first time ends the keeper") {
  Desk desk;
  desk.book.OnTick(desk.now);
  desk.Effects();
  desk.book.OnDaemonStartFailed(desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{ExitKeeper{.code = 1}});
  CHECK(desk.book.NextDeadline() == kNever);
}

TEST_CASE("a daemon that vanishes from disk later is waited for") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnDaemonGone(desk.now);
  desk.Effects();
  desk.book.OnDaemonStartFailed(desk.now);
  CHECK(desk.Effects().empty());
  CHECK(desk.book.NextDeadline() == desk.now + Millis(100));
}

// ---- Heartbeat. ----

TEST_CASE("a daemon that leaves two asks unanswered is aborted, then killed") {
  Desk desk;
  desk.WithDaemon();
  desk.Advance(Seconds(5));
  CHECK(Only<Beat>(desk.Reports()).at(0).number == 1);
  desk.Advance(Seconds(5));
  CHECK(Only<Beat>(desk.Reports()).at(0).number == 2);
  CHECK(desk.Effects().empty());
  desk.Advance(Seconds(5));
  CHECK(desk.Effects() == std::vector<Effect>{SignalDaemon{.signal = SIGABRT}});
  desk.Advance(Seconds(2));
  CHECK(desk.Effects() == std::vector<Effect>{SignalDaemon{.signal = SIGKILL}});
  desk.book.OnDaemonGone(desk.now);
  CHECK(Only<StartDaemon>(desk.Effects()).size() == 1);
}

TEST_CASE("an answer, even a late one, keeps the daemon alive") {
  Desk desk;
  desk.WithDaemon();
  for (int round = 0; round < 20; ++round) {
    desk.Advance(Seconds(5));
    const auto beats = Only<Beat>(desk.Reports());
    REQUIRE(beats.size() == 1);
    if (round % 2 == 1) desk.book.OnRequest(BeatAnswer{beats[0].number - 1}, desk.now);
    CHECK(desk.Effects().empty());
  }
}

TEST_CASE("an ask during which the keeper itself did not run proves nothing") {
  Desk desk;
  desk.WithDaemon();
  for (int round = 0; round < 10; ++round) {
    desk.Advance(Seconds(50));
    CHECK(desk.Effects().empty());
  }
}

// ---- People. ----

TEST_CASE("signals are passed on to the daemon, as soon as there is one that listens") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnOperatorSignal(SIGHUP, desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{SignalDaemon{.signal = SIGHUP}});
  desk.book.OnDaemonGone(desk.now);
  desk.Effects();
  desk.book.OnOperatorSignal(SIGTERM, desk.now);
  CHECK(desk.Effects().empty());
  desk.book.OnDaemonStarted(desk.now);
  SUBCASE("said in Hello, it is not sent as a signal too") {
    CHECK(Only<Hello>(desk.Reports()).at(0).terminations == 1);
    desk.book.OnRequest(World{}, desk.now);
    CHECK(desk.Effects().empty());
  }
  SUBCASE("after Hello it is sent once the world is asked for") {
    desk.Reports();
    desk.book.OnOperatorSignal(SIGINT, desk.now);
    CHECK(desk.Effects().empty());
    desk.book.OnRequest(World{}, desk.now);
    CHECK(Only<SignalDaemon>(desk.Effects()).size() == 1);
  }
}

TEST_CASE("after Bye the keeper exits with the daemon's code once daemon and trees are gone") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.book.OnRequest(Bye{.exit_code = 4, .remains = Remains::kKill}, desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{KillTree{.place = 0, .token = Token(1)}});
  desk.book.OnDaemonGone(desk.now);
  CHECK(desk.Effects().empty());
  desk.Exit(1);
  desk.book.OnTreeEmpty(Token(1), desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{ExitKeeper{.code = 4}});
}

TEST_CASE("a Bye that leaves the trees alone touches none of them") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.book.OnRequest(Bye{.exit_code = 0, .remains = Remains::kLeave}, desk.now);
  CHECK(desk.Effects().empty());
  desk.book.OnDaemonGone(desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{ExitKeeper{.code = 0}});
}

TEST_CASE("a daemon that says Bye and stays does not keep the keeper") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnRequest(Bye{}, desk.now);
  CHECK(desk.Effects().empty());
  CHECK(desk.book.NextDeadline() == desk.now + Seconds(10));
  desk.Advance(Seconds(10));
  CHECK(desk.Effects() ==
        std::vector<Effect>{SignalDaemon{.signal = SIGKILL}, ExitKeeper{.code = 0}});
}

TEST_CASE("two terminations while the daemon only crashes end everything") {
  Desk desk;
  desk.WithDaemon().Running(1);
  desk.NewDaemon();
  desk.book.OnDaemonGone(desk.now);
  desk.Effects();
  desk.book.OnOperatorSignal(SIGTERM, desk.now);
  CHECK(desk.Effects().empty());
  desk.book.OnOperatorSignal(SIGTERM, desk.now);
  CHECK(Only<KillTree>(desk.Effects()).size() == 1);
}

// ---- Held descriptors and oddities. ----

TEST_CASE("held descriptors survive the daemon, and one too many is refused") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnRequest(Hold{HeldName("image")}, desk.now);
  desk.book.OnRequest(Hold{HeldName("3000")}, desk.now);
  CHECK(desk.Effects() ==
        std::vector<Effect>{HoldDescriptor{.place = 0}, HoldDescriptor{.place = 1}});
  desk.book.OnRequest(Hold{HeldName("4000")}, desk.now);
  CHECK(desk.Effects().empty());
  const auto refused = Only<Refused>(desk.Reports());
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].error_number == ENOSPC);
  CHECK(refused[0].name == HeldName("4000"));
  desk.book.OnRequest(Drop{HeldName("image")}, desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{DropDescriptor{.place = 0}});
  desk.NewDaemon();
  desk.book.OnRequest(World{}, desk.now);
  const std::vector<Report> world = desk.Reports();
  CHECK(Only<WorldHeld>(world) == std::vector{WorldHeld{HeldName("3000")}});
  CHECK(Only<WorldEnd>(world).at(0).held == 1);
}

TEST_CASE("an upgrade waits for the daemon's end and for a spawn under way, and is no crash") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnRequest(Desk::SpawnOf(1), desk.now);
  desk.Effects();
  desk.book.OnForked(Token(1), Pid(101), false);
  desk.book.OnRequest(Upgrade{}, desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{NoteUpgrade{}});
  desk.book.OnDaemonGone(desk.now);
  CHECK(desk.Effects().empty());
  desk.book.OnStarted(Token(1), desk.now);
  desk.book.OnTick(desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{ExecKeeper{}});
  // It could not be execed: the old one starts a daemon, and says what went wrong.
  desk.book.OnUpgradeFailed(ENOENT, desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{StartDaemon{.number = 2, .use_image = true}});
  desk.book.OnDaemonStarted(desk.now);
  desk.book.OnRequest(World{}, desk.now);
  CHECK(Only<Refused>(desk.Reports()).at(0).error_number == ENOENT);
}

TEST_CASE("what an earlier keeper has left is gone on with, and what is in doubt gets no signal") {
  Desk desk;
  Record running;
  running.token = Token(7);
  running.phase = Phase::kRunning;
  running.pid = Pid(107);
  Record doubtful = running;
  doubtful.token = Token(8);
  doubtful.in_doubt = true;
  Record check = running;
  check.token = Token(9);
  check.label.kind = ProcessKind::kCheck;
  for (const Record& record : {running, doubtful, check}) {
    CHECK(desk.book.Inherit(record, desk.now).has_value());
    CHECK_FALSE(desk.book.Inherit(record, desk.now).has_value());
  }
  CHECK(desk.Effects() == std::vector<Effect>{KillTree{.place = 2, .token = Token(9)}});
  desk.WithDaemon();
  desk.book.OnRequest(World{}, desk.now);
  const std::vector<Report> world = desk.Reports();
  CHECK(Only<WorldRecord>(world).at(1).in_doubt);
  CHECK(Only<WorldEnd>(world).at(0).highest == Token(9));
  desk.book.OnRequest(Stop{.token = Token(8), .signal = 15, .kill_at = desk.now}, desk.now);
  desk.book.OnRequest(Kill{Token(8)}, desk.now);
  desk.book.OnRequest(Signal{.token = Token(8), .signal = 1}, desk.now);
  desk.book.OnTick(desk.now);
  CHECK(desk.Effects().empty());
  desk.book.OnRequest(Kill{Token(7)}, desk.now);
  CHECK(desk.Effects() == std::vector<Effect>{KillTree{.place = 0, .token = Token(7)}});
}

TEST_CASE("a stop signal that waited for the exec is not taken for sent by the next keeper") {
  Desk desk;
  Record record;
  record.token = Token(7);
  record.phase = Phase::kRunning;  // it has got on
  record.pid = Pid(107);
  record.waiting_signal = 15;
  record.kill_at = desk.now;
  REQUIRE(desk.book.Inherit(record, desk.now).has_value());
  desk.book.OnTick(desk.now);
  CHECK(Only<KillTree>(desk.Effects()).empty());
  desk.WithDaemon();
  desk.book.OnRequest(World{}, desk.now);
  const WorldRecord known = Only<WorldRecord>(desk.Reports()).at(0);
  CHECK(known.kill_at == kNever);
  CHECK(known.stop_sent_at == kNever);
  const Instant kill_at = desk.now + Seconds(10);
  desk.book.OnRequest(Stop{.token = Token(7), .signal = 15, .kill_at = kill_at}, desk.now);
  CHECK(Only<SendSignal>(desk.Effects()).size() == 1);
}

TEST_CASE("what cannot be read is answered") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnUnreadableRequest();
  CHECK(Only<Refused>(desk.Reports()).at(0).request == 255);
}

TEST_CASE("reports not taken by a full socket stay due, folded into one state") {
  Desk desk;
  desk.WithDaemon();
  for (std::uint64_t token = 1; token <= 8; ++token) {
    desk.book.OnRequest(Desk::SpawnOf(token), desk.now);
    desk.Effects();
    desk.book.OnForked(Token(token), Pid(static_cast<int>(100 + token)), false);
    desk.book.OnStarted(Token(token), desk.now);
    desk.Exit(token);
    desk.book.OnTreeEmpty(Token(token), desk.now);
  }
  const std::vector<Report> reports = desk.Reports();
  CHECK(Only<Started>(reports).size() == 8);
  CHECK(Only<Exited>(reports).size() == 8);
  CHECK(Only<Gone>(reports).size() == 8);
}

}  // namespace
}  // namespace oxherd::keeper
