#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>

#include "core/codec.h"
#include "play.h"

namespace oxherd {
namespace {

using namespace std::chrono_literals;

ByteView Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

WorldRecord RecordOf(const Instance& instance, std::string service) {
  WorldRecord record;
  record.token = instance.token();
  record.instance = {std::move(service), 0};
  record.generation = instance.generation;
  record.pid = Pid(4242);
  record.spawned_at = instance.process()->spawned_at;
  return record;
}

TEST_SUITE("core: saved and restored") {
  TEST_CASE("decode(encode(state)) == state") {
    Play play;
    auto api = MakeCheckedSpec("api");
    api->env = {{"A", "1"}, {"B", std::string("\0\xff", 2)}};
    api->port_base = 4000;
    api->nice = -5;
    api->policy.depends_on = {{.service = "db", .kind = DependencyKind::kStarted}};
    play.BringUp({MakeSpec("db"), api});
    play.Ask(Verb::kReload, {"api"}, {api});
    const auto back = Decode(Bytes(Encode(play.state())));
    REQUIRE(back);
    CHECK(*back == play.state());
  }

  TEST_CASE("a cut-off or damaged record is an error, never anything worse") {
    Play play;
    play.BringUp({MakeCheckedSpec("api")});
    std::string bytes;
    EncodeService(play.service("api"), bytes);
    REQUIRE(DecodeService(Bytes(bytes)));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      CHECK_FALSE(DecodeService(Bytes(bytes.substr(0, length))));
    }
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ 0x55);
      const auto decoded = DecodeService(Bytes(flipped));  // may or may not be an error
      if (decoded) CHECK(decoded->slots.size() < 1000);
    }
  }

  TEST_CASE("a token that the world does not know was never spawned: it is spawned again") {
    Play play;
    play.Ask(Verb::kStart, {}, {MakeSpec("api")});
    const Token lost = play.token("api");
    Actions actions;
    Restore(play.state(), {}, play.now(), actions);
    CHECK(play.token("api") > lost);
    CHECK(play.StateOf("api") == "starting");
  }

  TEST_CASE("an exit while no daemon lived is a crash like any other") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const Token old = play.token("api");
    WorldRecord record = RecordOf(play.current("api"), "api");
    record.exit = ExitStatus::Code(3);
    record.gone = true;
    Actions actions;
    Restore(play.state(), {record}, play.now(), actions);
    CHECK(play.token("api") > old);
    CHECK(play.current("api").last_exit == ExitStatus::Code(3));
    CHECK(play.current("api").crashes == 1);
  }

  TEST_CASE("a stop signal that the world shows as sent is not sent twice") {
    Play play;
    play.BringUp({MakeSpec("api")});
    play.Ask(Verb::kStop, {"api"});
    WorldRecord record = RecordOf(play.current("api"), "api");
    State saved = play.state();
    Actions actions;
    Restore(saved, {record}, play.now(), actions);
    CHECK(std::ranges::count_if(actions, [](const Action& action) {
            return std::holds_alternative<action::Stop>(action);
          }) == 1);
    actions.clear();
    record.stop_sent = play.now();
    Restore(play.state(), {record}, play.now(), actions);
    CHECK(std::ranges::count_if(actions, [](const Action& action) {
            return std::holds_alternative<action::Stop>(action);
          }) == 0);
  }

  TEST_CASE("a stop that was lost with the keeper is said again, with all its time") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const Millis time = play.service("api").spec().policy.stop_timeout;
    play.Ask(Verb::kStop, {"api"});
    WorldRecord record = RecordOf(play.current("api"), "api");
    play.Pass(time);
    REQUIRE(play.StateOf("api") == "killing");  // by the keeper, as the daemon believes
    Actions actions;
    SUBCASE("the keeper never heard of it") {
      Restore(play.state(), {record}, play.now(), actions);
      CHECK(play.StateOf("api") == "stopping");
      const auto* stop = std::get_if<action::Stop>(&actions.at(0));
      REQUIRE(stop != nullptr);
      CHECK(stop->signal == SIGTERM);
      CHECK(stop->kill_at == play.now() + time);
    }
    SUBCASE("it did, and somebody else sends SIGKILL now") {
      record.stop_sent = play.now() - time;
      record.kill_at = play.now();
      Restore(play.state(), {record}, play.now(), actions);
      CHECK(play.StateOf("api") == "killing");
      CHECK(std::holds_alternative<action::Kill>(actions.at(0)));
    }
  }

  TEST_CASE("what was to be killed at once is not given time because the keeper died") {
    Play play;
    play.BringUp({MakeSpec("api")});
    event::Request stop;
    stop.verb = Verb::kStop;
    stop.names = {"api"};
    stop.forced = true;
    play.Ask(stop);
    REQUIRE(play.StateOf("api") == "killing");
    Actions actions;
    Restore(play.state(), {RecordOf(play.current("api"), "api")}, play.now(), actions);
    CHECK(std::holds_alternative<action::Kill>(actions.at(0)));
  }

  TEST_CASE("without an image, what runs is adopted by its label, not started twice") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const WorldRecord record = RecordOf(play.current("api"), "api");
    State fresh;
    event::Boot boot;
    boot.wishes.push_back({.spec = MakeSpec("api"), .generation = Generation(1), .wanted = true});
    Populate(fresh, boot);
    Actions actions;
    Restore(fresh, {record}, play.now(), actions);
    CHECK(fresh.Find("api")->slots[0].current.token() == record.token);
    CHECK(std::ranges::none_of(actions, [](const Action& action) {
      return std::holds_alternative<action::Spawn>(action);
    }));
    CHECK(fresh.next_token > record.token);
  }

  TEST_CASE("one that was adopted before its exec was confirmed is asked once, not for ever") {
    Play play;
    play.BringUp({MakeCheckedSpec("api")});
    WorldRecord record = RecordOf(play.current("api"), "api");
    record.pid = Pid();
    Play next;
    event::Boot boot;
    boot.wishes.push_back(
        {.spec = MakeCheckedSpec("api"), .generation = Generation(1), .wanted = true});
    Populate(next.state(), boot);
    Actions actions;
    Restore(next.state(), {record}, next.now(), actions);
    CHECK(std::ranges::none_of(actions, [](const Action& action) {
      return std::holds_alternative<action::Probe>(action);
    }));
    next.Happens(event::Started{record.token, Pid(7)});
    CHECK(next.Take<action::Probe>().size() == 1);
    next.Happens(event::Probed{record.token, ProbeOutcome::kGood, {}});
    CHECK(next.StateOf("api") == "ready");
  }

  TEST_CASE("a running process that nothing else tells of is shown and never forgotten") {
    Play play;
    play.BringUp({MakeSpec("api")});
    const WorldRecord record = RecordOf(play.current("api"), "api");
    State fresh;
    Actions actions;
    Restore(fresh, {record}, play.now(), actions);
    REQUIRE(fresh.Find("api") != nullptr);
    CHECK(fresh.Find("api")->slots[0].current.is_live());
  }
}

}  // namespace
}  // namespace oxherd
