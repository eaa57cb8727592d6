// `oxherd top` without a terminal: keys in, frames out.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/render/terminal.h"
#include "cli/top/frame.h"
#include "cli/top/keys.h"
#include "cli/top/state.h"

namespace oxherd::cli {
namespace {

using control::Command;
using control::Row;
using Kind = Key::Kind;

constexpr std::int64_t kNow = 1'763'780'640'000;

Row MakeRow(std::uint32_t id, const std::string& service, double cpu, std::uint64_t megabytes) {
  Row row;
  row.id = id;
  row.service = service;
  row.state = "ready";
  row.pid = Pid(1000 + static_cast<int>(id));
  row.generation = Generation(1);
  row.uptime_ms = 1000 * (100 - static_cast<std::int64_t>(id));
  row.restarts = id;
  row.cpu_percent = cpu;
  row.memory_bytes = megabytes * 1024 * 1024;
  return row;
}

std::vector<Row> Three() {
  return {MakeRow(0, "api", 5, 60), MakeRow(1, "mailer", 80, 20), MakeRow(2, "worker", 10, 90)};
}

TopState StateWith(std::vector<Row> rows) {
  TopState state;
  state.TakeRows(std::move(rows));
  return state;
}

TopWish Type(TopState& state, std::string text) {
  TopWish last;
  for (const Key& key : TakeKeys(text, Rest::kIsAll)) last = state.Press(key);
  return last;
}

std::vector<std::string> NamesIn(const TopState& state) {
  std::vector<std::string> names;
  for (const Row* row : state.Shown()) names.push_back(row->service);
  return names;
}

using Names = std::vector<std::string>;

// Without SGR codes.
std::string Plain(const std::string& line) {
  std::string plain;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b') {
      i = std::min(line.find('m', i), line.size());
    } else {
      plain += line[i];
    }
  }
  return plain;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += Plain(line) + "\n";
  return text;
}

std::vector<std::string> FrameOf(const TopState& state, std::size_t columns, std::size_t rows) {
  return TopFrame(state, {.columns = columns, .rows = rows, .now_unix_ms = kNow});
}

TEST_CASE("top: arrows, letters and paste are told from what a terminal sends") {
  std::string bytes = "\x1b[A\x1bOB\x1b[5~\r\x7fq\xC3\xA9\x03";
  const std::vector<Key> keys = TakeKeys(bytes, Rest::kMayCome);
  CHECK(bytes.empty());
  CHECK(keys == std::vector<Key>{{Kind::kUp},
                                 {Kind::kDown},
                                 {Kind::kPageUp},
                                 {Kind::kEnter},
                                 {Kind::kBackspace},
                                 {Kind::kCharacter, "q"},
                                 {Kind::kCharacter, "é"},
                                 {Kind::kInterrupt}});
}

TEST_CASE("top: an escape sequence may come in pieces, and Escape alone is a key") {
  std::string bytes = "\x1b";
  CHECK(TakeKeys(bytes, Rest::kMayCome).empty());
  bytes += "[";
  CHECK(TakeKeys(bytes, Rest::kMayCome).empty());
  bytes += "B";
  CHECK(TakeKeys(bytes, Rest::kMayCome) == std::vector<Key>{{Kind::kDown}});
  bytes = "\x1b";
  CHECK(TakeKeys(bytes, Rest::kIsAll) == std::vector<Key>{{Kind::kEscape}});
}

TEST_CASE("top: whatever the bytes, all of them are taken in the end") {
  std::uint32_t seed = 1;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 40; ++i) {
      seed = seed * 1'664'525 + 1'013'904'223;
      const std::uint32_t draw = seed >> 16U;
      bytes += draw % 3 == 0 ? '\x1b' : draw % 3 == 1 ? '[' : static_cast<char>(draw >> 3U);
    }
    static_cast<void>(TakeKeys(bytes, Rest::kMayCome));
    static_cast<void>(TakeKeys(bytes, Rest::kIsAll));
    REQUIRE(bytes.empty());
  }
}

TEST_CASE("top: what is pasted does not press keys") {
  TopState state = StateWith(Three());
  CHECK(Type(state, "\x1b[200~sy\x1b[201~").kind == TopWish::Kind::kNothing);
  CHECK(state.mode() == TopState::Mode::kBrowsing);
  Type(state, "/\x1b[200~wor\x1b[201~");
  CHECK(state.filter() == "wor");
}

TEST_CASE("top: a letter orders the table, the same once more turns it round") {
  TopState state = StateWith(Three());
  CHECK(NamesIn(state) == Names{"api", "mailer", "worker"});
  Type(state, "c");
  CHECK(NamesIn(state) == Names{"mailer", "worker", "api"});
  Type(state, "c");
  CHECK(NamesIn(state) == Names{"api", "worker", "mailer"});
  Type(state, "m");
  CHECK(NamesIn(state) == Names{"worker", "api", "mailer"});
  Type(state, "t");
  CHECK(NamesIn(state) == Names{"worker", "mailer", "api"});
  Type(state, "i");
  CHECK(NamesIn(state) == Names{"api", "mailer", "worker"});
  for (const auto order : {TopState::Order::kName, TopState::Order::kState, TopState::Order::kCpu,
                           TopState::Order::kMemory, TopState::Order::kRestarts,
                           TopState::Order::kUptime, TopState::Order::kListed}) {
    Type(state, "o");
    CHECK(state.order() == order);
  }
}

TEST_CASE("top: the choice stays with its instance whatever the order") {
  TopState state = StateWith(Three());
  Type(state, "j");
  CHECK(state.Chosen()->service == "mailer");
  Type(state, "m");
  CHECK(state.Chosen()->service == "mailer");
  state.TakeRows({MakeRow(0, "api", 1, 1), MakeRow(2, "worker", 1, 1)});
  CHECK(state.Chosen() != nullptr);
  state.TakeRows({});
  CHECK(state.Chosen() == nullptr);
  Type(state, "jkGgrxy\x1b[5~");
  CHECK(state.mode() == TopState::Mode::kBrowsing);
}

TEST_CASE("top: a filter looks at name and state, whatever the case") {
  auto rows = Three();
  rows[1].state = "failed";
  TopState state = StateWith(rows);
  Type(state, "/FAIL");
  CHECK(NamesIn(state) == Names{"mailer"});
  CHECK(state.Chosen()->service == "mailer");
  Type(state,
       "\x7f\x7f\x7f\x7f"
       "a\r");
  CHECK(NamesIn(state) == Names{"api", "mailer", "worker"});  // ready has an a
  CHECK(state.mode() == TopState::Mode::kBrowsing);
  Type(state, "/zzz");
  CHECK(NamesIn(state).empty());
  CHECK(Joined(FrameOf(state, 80, 24)).contains("none matches"));
  Type(state, "\x1b");
  CHECK(NamesIn(state).size() == 3);
}

TEST_CASE("top: reload, restart, start and stop ask first, and only y does it") {
  TopState state = StateWith(Three());
  CHECK(Type(state, "s").kind == TopWish::Kind::kNothing);
  CHECK(Joined(FrameOf(state, 80, 24)).contains("stop api? y: yes"));
  CHECK(Type(state, "n").kind == TopWish::Kind::kNothing);
  CHECK(state.notice == "nothing was done");
  CHECK(Type(state, "s\r").kind == TopWish::Kind::kNothing);
  TopWish wish = Type(state, "sy");
  CHECK(wish.kind == TopWish::Kind::kChange);
  CHECK(wish.command == Command::kStop);
  CHECK(wish.service == "api");
  CHECK(Type(state, "y").kind == TopWish::Kind::kNothing);
  CHECK(Type(state, "ry").command == Command::kReload);
  CHECK(Type(state, "Ry").command == Command::kRestart);
  CHECK(Type(state, "Sy").command == Command::kStart);
  // The row that was chosen when it was asked, also if another one is by the time of the answer.
  Type(state, "js");
  state.TakeRows({MakeRow(0, "api", 1, 1)});
  CHECK(Type(state, "y").service == "mailer");
}

TEST_CASE("top: q and Ctrl-C leave in every mode but while a filter is typed") {
  TopState state = StateWith(Three());
  CHECK(Type(state, "q").kind == TopWish::Kind::kQuit);
  CHECK(Type(state, "/q").kind == TopWish::Kind::kNothing);
  CHECK(Type(state, "\x03").kind == TopWish::Kind::kQuit);
}

TEST_CASE("top: a frame has as many lines as the screen, and none is wider") {
  std::vector<Row> many;
  for (std::uint32_t i = 0; i < 200; ++i) {
    many.push_back(MakeRow(i,
                           i % 3 == 0 ? "日本語-サービス-" + std::to_string(i)
                                      : "a-service-with-a-rather-long-name-" + std::to_string(i),
                           i, i));
  }
  many[1].state = "failed";
  many[1].reason = "exited 1 after 84 ms, before it was ready";
  many[2].health = control::Health{control::Health::Kind::kBad, 3, "503 Service Unavailable"};
  many[3].next_generation = Generation(9);
  many[3].next_state = "starting";
  for (const auto& rows : {std::vector<Row>{}, Three(), many}) {
    for (const std::string keys : {"", "j", "G", "L", "\r", "l\x1b[5~", "/api", "s", "?"}) {
      TopState state = StateWith(rows);
      Type(state, keys);
      if (state.Chosen() != nullptr) {
        state.log_of = state.Chosen()->name();
        for (int i = 0; i < 50; ++i) state.AddLogLine("03:12:44.120 │ 🎉 日本語");
      }
      for (const std::size_t columns : {1UL, 5UL, 20UL, 26UL, 40UL, 80UL, 300UL}) {
        for (const std::size_t rows_of_screen : {1UL, 2UL, 5UL, 10UL, 24UL, 60UL}) {
          const auto lines = FrameOf(state, columns, rows_of_screen);
          const auto wrong = std::ranges::find_if(lines, [&](const std::string& line) {
            return WidthOf(Plain(line)) > columns || line.contains('\n');
          });
          INFO("keys " << keys << ", " << columns << "x" << rows_of_screen);
          REQUIRE(lines.size() == rows_of_screen);
          REQUIRE_MESSAGE(wrong == lines.end(), (wrong == lines.end() ? "" : *wrong));
        }
      }
    }
  }
}

TEST_CASE("top: the chosen row is on the screen wherever it is in the list") {
  std::vector<Row> many;
  for (std::uint32_t i = 0; i < 200; ++i) many.push_back(MakeRow(i, "s" + std::to_string(i), 1, 1));
  TopState state = StateWith(many);
  for (int i = 0; i < 200; ++i) {
    const auto lines = FrameOf(state, 80, 24);
    const std::string name = " " + state.Chosen()->name() + " ";
    REQUIRE(std::ranges::any_of(
        lines, [&](const std::string& line) { return line.contains("›") && line.contains(name); }));
    Type(state, "j");
  }
  CHECK(state.Chosen()->service == "s199");
}

TEST_CASE("top: a large log leaves the table a few rows, and l takes the log away") {
  TopState state = StateWith(Three());
  state.log_of = "api/0";
  for (int i = 0; i < 100; ++i) state.AddLogLine("a line " + std::to_string(i) + ";");
  const auto lines_in = [&] {
    const auto lines = FrameOf(state, 80, 24);
    return std::ranges::count_if(lines, [](const auto& line) { return line.contains("a line"); });
  };
  const auto some = lines_in();
  Type(state, "l");
  CHECK(lines_in() >= some);
  Type(state, "\rL");
  CHECK(lines_in() == 0);
}

TEST_CASE("top: in a large log one can go back, and stays there when more is printed") {
  TopState state = StateWith(Three());
  state.log_of = "api/0";
  for (int i = 0; i < 100; ++i) state.AddLogLine("a line " + std::to_string(i) + ";");
  const auto shows = [&](const std::string& text) {
    return Joined(FrameOf(state, 80, 24)).contains(text);
  };
  Type(state, "l");
  CHECK(shows("a line 99;"));
  Type(state, "\x1b[5~\x1b[5~");
  CHECK(shows("20 lines back"));
  CHECK(shows("a line 79;"));
  CHECK_FALSE(shows("a line 80;"));
  state.AddLogLine("a line 100;");
  CHECK(shows("a line 79;"));
  CHECK_FALSE(shows("a line 80;"));
  Type(state, "\x1b[H");
  CHECK(shows("a line 0;"));
  Type(state, "\x1b[F");
  CHECK(shows("a line 100;"));
  Type(state, "\x1b[H");
  for (int i = 0; i < 2000; ++i) state.AddLogLine("more");
  CHECK(state.log_back() == kTopLogLines);
  CHECK(shows("more"));
  // Small again, the same keys go through the table.
  Type(state, "l\x1b[F");
  CHECK(state.Chosen()->service == "worker");
}

TEST_CASE("top: a graph shows the newest on the right, and little as little") {
  CHECK(Graph({0, 50, 100}, 5, 100) == "  ▁▅█");
  CHECK(Graph({100, 0}, 1, 100) == "▁");
  CHECK(Graph({1, 1}, 2, 100) == "▁▁");
  CHECK(Graph({200, 100}, 2, 100) == "█▅");
  CHECK(Graph({}, 3, 100) == "   ");
  CHECK(Graph({std::numeric_limits<double>::quiet_NaN()}, 1, 1) == "▁");
}

TEST_CASE("top: histories grow by one with each answer, to a bound") {
  TopState state;
  for (std::size_t i = 0; i < kTrackLength + 10; ++i) state.TakeRows(Three());
  CHECK(state.TrackOf("api/0").cpu.size() == kTrackLength);
  CHECK(state.TrackOfAll().cpu.back() == doctest::Approx(95));
  state.TakeRows({});
  CHECK(state.TrackOf("api/0").cpu.empty());
}

TEST_CASE("top: names that could drive the terminal do not") {
  TopState state = StateWith({MakeRow(0, "a\x1b[2Jb\n", 1, 1)});
  const std::string text = Joined(FrameOf(state, 80, 24));
  CHECK_FALSE(text.contains("\x1b"));
  for (const std::string& line : FrameOf(state, 80, 24)) CHECK_FALSE(line.contains("\x1b[2J"));
}

TEST_CASE("top: trouble with the daemon stands in the first line") {
  TopState state = StateWith(Three());
  state.trouble = "the daemon has not answered for 4 s";
  CHECK(Plain(FrameOf(state, 80, 24).front()).contains("has not answered"));
}

}  // namespace
}  // namespace oxherd::cli
