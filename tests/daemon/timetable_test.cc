#include "daemon/triggers/timetable.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

namespace oxherd {
namespace {

using namespace std::chrono_literals;

// 2026-11-22 00:00:00 UTC.
constexpr WallTime kMidnight{Seconds(1'795'305'600)};

class Table {
 public:
  Table() {
    Add("api", "0 3 * * *", "");
    Add("job", "", "0 4 * * *");
    table_.Update();
  }

  void Add(const std::string& name, const std::string& cron_restart, const std::string& schedule) {
    auto spec = std::make_shared<Spec>();
    spec->name = name;
    spec->cron_restart = cron_restart;
    spec->schedule = schedule;
    spec->timezone = "UTC";
    spec->policy.scheduled = !schedule.empty();
    Service service;
    service.name = name;
    service.wish = Wish::kRunning;
    service.generation = Generation(1);
    service.specs.push_back({.generation = Generation(1), .spec = std::move(spec)});
    state_.services.push_back(std::move(service));
  }
  // What the core is told when the timer wakes up, so long after midnight.
  std::string At(Duration since, os::WallTimer::Woken woken = os::WallTimer::Woken::kTime) {
    now_ = kMidnight + since;
    table_.OnTime(woken);
    std::string events;
    inbox_.Drain([&](const Event& event) {
      if (const auto* replace = std::get_if<event::Replace>(&event)) {
        events += "replace " + replace->service + " ";
      } else if (const auto* schedule = std::get_if<event::Schedule>(&event)) {
        events += "run " + schedule->service + " ";
      }
    });
    return events;
  }
  // In hours after midnight.
  [[nodiscard]] double Next(const std::string& name) const {
    const auto next = table_.NextOf(name);
    return next ? std::chrono::duration<double, std::ratio<3600>>(*next - kMidnight).count() : -1;
  }
  State& state() { return state_; }
  void Update() { table_.Update(); }

 private:
  State state_;
  Inbox inbox_;
  DaemonLog log_{"", DaemonLog::Copy::kNone};
  WallTime now_ = kMidnight;
  Timetable table_{{.state = state_, .inbox = inbox_, .log = log_, .now = [this] { return now_; }}};
};

TEST_SUITE("daemon: timetable") {
  TEST_CASE("each service has its event at its time, once") {
    Table table;
    CHECK(table.Next("api") == 3);
    CHECK(table.Next("job") == 4);
    CHECK(table.At(2h).empty());
    CHECK(table.At(3h) == "replace api ");
    CHECK(table.At(3h + 1ms).empty());
    CHECK(table.Next("api") == 27);
    CHECK(table.At(4h) == "run job ");
  }

  TEST_CASE("what was missed by a sleep of some minutes is run, of many hours is not") {
    Table table;
    CHECK(table.At(3h + 20min, os::WallTimer::Woken::kClockSet) == "replace api ");
    CHECK(table.At(9h, os::WallTimer::Woken::kClockSet).empty());
    CHECK(table.Next("job") == 28);
  }

  TEST_CASE("a clock that is set back brings nothing twice, and one far back begins anew") {
    Table table;
    CHECK(table.At(3h) == "replace api ");
    CHECK(table.At(2h + 59min, os::WallTimer::Woken::kClockSet).empty());
    CHECK(table.At(3h).empty());
    CHECK(table.Next("api") == 27);
    CHECK(table.At(-24h, os::WallTimer::Woken::kClockSet).empty());
    CHECK(table.Next("api") == -21);
  }

  TEST_CASE("what a person stopped, or deletes, has no times") {
    Table table;
    table.state().services[0].wish = Wish::kStopped;
    table.Update();
    CHECK(table.Next("api") == -1);
    CHECK(table.At(3h).empty());
    CHECK(table.At(4h) == "run job ");
    table.state().services[0].wish = Wish::kRunning;
    table.Update();
    CHECK(table.Next("api") == 27);
  }
}

}  // namespace
}  // namespace oxherd
