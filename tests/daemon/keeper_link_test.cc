#include "daemon/keeper_link.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "daemon/inbox.h"
#include "os/clock.h"
#include "os/message_socket.h"

namespace oxherd {
namespace {

// Both ends: a link, and the keeper's side of the socket in the test's hands.
struct Ends {
  Ends() : Ends(os::MakeMessagePair().value()) {}
  explicit Ends(os::MessagePair pair)
      : link(std::move(pair.ours)), keeper(std::move(pair.theirs)) {}

  void Report(const keeper::Report& report, std::span<const int> descriptors = {}) const {
    keeper::MessageBuffer buffer;
    REQUIRE(os::SendMessage(keeper.get(), keeper::Encode(report, buffer), descriptors));
  }
  // The next request that has arrived; nothing if there is none.
  [[nodiscard]] std::optional<keeper::Request> Next(std::size_t* descriptors = nullptr) const {
    keeper::MessageBuffer buffer;
    auto received = os::ReceiveMessage(keeper.get(), buffer);
    if (!received || received->size == 0) return std::nullopt;
    if (descriptors != nullptr) *descriptors = received->descriptor_count;
    return keeper::DecodeRequest(std::span(buffer).first(received->size));
  }

  KeeperLink link;
  os::Fd keeper;
};

}  // namespace

TEST_CASE("requests that find the socket full arrive later, all of them, in order") {
  Loop loop;
  Ends ends;
  ends.link.Serve(loop, [](KeeperReport) {}, [](const Error& error) { FAIL(error.message); });
  constexpr std::uint64_t kCount = 5000;
  for (std::uint64_t i = 1; i <= kCount; ++i) ends.link.Send(keeper::Kill{Token(i)});
  CHECK(ends.link.queued() > 0);
  std::uint64_t expected = 1;
  const Instant end = os::Now() + Seconds(10);
  while (expected <= kCount) {
    REQUIRE(os::Now() < end);
    while (const auto request = ends.Next()) {
      const auto* kill = std::get_if<keeper::Kill>(&*request);
      REQUIRE(kill != nullptr);
      REQUIRE(kill->token.number() == expected);
      ++expected;
    }
    loop.SetAlarm(os::Now() + Millis(1));
    loop.Wait();
  }
  CHECK(ends.link.queued() == 0);
}

TEST_CASE("descriptors wait with the request they belong to, and are closed once it is sent") {
  Loop loop;
  Ends ends;
  ends.link.Serve(loop, [](KeeperReport) {}, [](const Error& error) { FAIL(error.message); });
  while (ends.link.queued() == 0) ends.link.Send(keeper::Kill{Token(1)});
  os::Fd plan(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = plan.get();
  keeper::Spawn spawn{.token = Token(2), .label = {}, .roles = {}};
  spawn.roles.Add(keeper::Role::kPlan);
  std::vector<os::Fd> attached;
  attached.push_back(std::move(plan));
  ends.link.Send(spawn, std::move(attached));
  CHECK(fcntl(number, F_GETFD) >= 0);
  std::size_t descriptors = 0;
  const Instant end = os::Now() + Seconds(10);
  bool arrived = false;
  while (!arrived) {
    REQUIRE(os::Now() < end);
    while (const auto request = ends.Next(&descriptors)) {
      arrived = arrived || std::holds_alternative<keeper::Spawn>(*request);
    }
    loop.SetAlarm(os::Now() + Millis(1));
    loop.Wait();
  }
  CHECK(descriptors == 1);
  CHECK(fcntl(number, F_GETFD) < 0);
}

TEST_CASE("beats are answered at once, before the loop runs and while it does") {
  Loop loop;
  Ends ends;
  ends.Report(keeper::Beat{41});
  ends.Report(keeper::Hello{
      .version = 1, .keeper = Pid(1), .daemon_number = 1, .use_image = true, .terminations = 0});
  const auto hello = ends.link.Await(Seconds(1));
  REQUIRE(hello);
  REQUIRE(*hello);
  CHECK(std::holds_alternative<keeper::Hello>((*hello)->report));
  const auto answer = ends.Next();
  REQUIRE(answer);
  CHECK(std::get<keeper::BeatAnswer>(*answer).number == 41);
  int reports = 0;
  ends.link.Serve(
      loop, [&](KeeperReport) { ++reports; }, [](const Error& error) { FAIL(error.message); });
  ends.Report(keeper::Beat{42});
  loop.SetAlarm(os::Now() + Seconds(5));
  loop.Wait();
  const auto second = ends.Next();
  REQUIRE(second);
  CHECK(std::get<keeper::BeatAnswer>(*second).number == 42);
  CHECK(reports == 0);
}

TEST_CASE("a keeper that is gone is said once, and nothing is sent into the void") {
  Loop loop;
  Ends ends;
  int lost = 0;
  ends.link.Serve(loop, [](KeeperReport) {}, [&](const Error&) { ++lost; });
  ends.keeper.Reset();
  loop.SetAlarm(os::Now() + Seconds(5));
  loop.Wait();
  CHECK(lost == 1);
  ends.link.Send(keeper::World{});
  CHECK(lost == 1);
  CHECK(ends.link.is_lost());
}

TEST_CASE("a silent keeper is waited for no longer than one is ready to") {
  Ends ends;
  const auto nothing = ends.link.Await(Millis(20));
  REQUIRE(nothing);
  CHECK_FALSE(*nothing);
}

TEST_CASE("events of one wake-up are taken in the order in which they count") {
  Inbox inbox;
  inbox.Put(Urgency::kRest,
            event::Probed{.token = Token(4), .outcome = ProbeOutcome::kGood, .other = {}});
  inbox.Put(Urgency::kControl, event::Request{});
  inbox.Put(Urgency::kProcess, event::Started{.token = Token(2), .pid = Pid(1)});
  inbox.Put(Urgency::kProcess, event::Exited{.token = Token(2), .status = {}});
  inbox.Put(Urgency::kNotify, event::LogMatched{Token(1)});
  std::vector<std::size_t> kinds;
  inbox.Drain([&](const Event& event) {
    kinds.push_back(event.index());
    // What comes meanwhile is for the next turn.
    if (kinds.size() == 1) inbox.Put(Urgency::kNotify, event::LogMatched{Token(9)});
  });
  const auto index = [](const Event& event) { return event.index(); };
  CHECK(kinds == std::vector<std::size_t>{index(event::LogMatched{}), index(event::Started{}),
                                          index(event::Exited{}), index(event::Request{}),
                                          index(event::Probed{})});
  CHECK_FALSE(inbox.is_empty());
}

}  // namespace oxherd
