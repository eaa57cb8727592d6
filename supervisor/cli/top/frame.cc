#include "cli/top/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <map>

#include "cli/render/list.h"
#include "cli/render/table.h"
#include "cli/render/terminal.h"
#include "control/words.h"

namespace oxherd::cli {
namespace {

using control::BytesText;
using control::DurationText;
using control::Row;
using Order = TopState::Order;
using Mode = TopState::Mode;

constexpr std::string_view kNone = "–";
constexpr double kFullCpu = 25;  // percent: less than that is not made to look like much
constexpr std::size_t kRowGraph = 8;
constexpr std::size_t kPanelGraph = 16;
constexpr std::size_t kSmallPanelGraph = 6;
constexpr std::size_t kLongestState = 24;
constexpr std::size_t kNarrowest = 26;
// From so many rows of screen on there is a line for the whole, and one for the log's head.
constexpr std::size_t kRowsForTotals = 16;
constexpr std::size_t kRowsForLog = 9;

constexpr std::array kHelp = {
    "  ↑ ↓ k j, PgUp PgDn, Home End    choose an instance",
    "  /            filter by name or state; Esc ends it",
    "  c m n        order by CPU, memory, name; again: turned round",
    "  t u e i      by restarts, uptime, state, as listed; o: the next",
    "  l  Enter     the log large, and small again",
    "               while large, PgUp PgDn Home End go through it",
    "  L            without the log, and with it",
    "  r            reload the service: no client notices",
    "  R s S        restart, stop, start it",
    "               each asks first: y does it",
    "  Ctrl-L       draw everything again",
    "  q  Ctrl-C    leave; the services go on",
};

// One line of at most so many columns, out of pieces that are painted or not.
class Line {
 public:
  explicit Line(const TopScreen& screen) : screen_(screen) {}

  Line& Add(std::string_view text, Paint paint = Paint::kPlain) {
    if (used_ >= screen_.columns) return *this;
    const std::string fitting = Cut(text, screen_.columns - used_);
    used_ += WidthOf(fitting);
    const Screen colours{.is_terminal = true, .colour = screen_.colour};
    text_ += Painted(colours, paint, fitting);
    return *this;
  }
  Line& FillWith(std::string_view glyph, std::size_t until) {
    std::string filling;
    for (std::size_t at = used_; at < std::min(until, screen_.columns); ++at) filling += glyph;
    return Add(filling, Paint::kDim);
  }
  [[nodiscard]] std::size_t left() const { return screen_.columns - used_; }
  [[nodiscard]] std::string Take() { return std::move(text_); }

 private:
  const TopScreen& screen_;
  std::string text_;
  std::size_t used_ = 0;
};

std::string CpuText(double percent) { return fmt::format("{:.0f}%", percent); }

std::string MemoryText(double bytes) { return BytesText(static_cast<std::uint64_t>(bytes)); }

std::string WallClock(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

// "3 instances · 2 ready · 1 failed": the states in the order of how often.
std::string Summary(const std::vector<Row>& rows) {
  std::map<std::string, std::size_t> counts;
  for (const Row& row : rows) ++counts[row.state];
  std::vector<std::pair<std::string, std::size_t>> states(counts.begin(), counts.end());
  std::ranges::sort(states, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::string text = fmt::format("{} instance{}", rows.size(), rows.size() == 1 ? "" : "s");
  for (const auto& [state, count] : states) text += fmt::format(" · {} {}", count, Clean(state));
  return text;
}

std::string TitleLine(const TopState& state, const TopScreen& screen) {
  Line line(screen);
  line.Add(" oxherd ", Paint::kBold);
  const std::string clock = WallClock(screen.now_unix_ms) + " ";
  if (!state.trouble.empty()) return line.Add(" " + Clean(state.trouble), Paint::kBad).Take();
  const bool has_clock = screen.columns >= 60;
  const std::size_t room = line.left() - (has_clock ? clock.size() + 1 : 0);
  const std::string summary = Cut(" " + Summary(state.rows()), room);
  line.Add(summary);
  if (has_clock) line.Add(std::string(room - WidthOf(summary) + 1, ' ')).Add(clock, Paint::kDim);
  return line.Take();
}

void AddGraphs(Line& line, const Track& track) {
  const std::size_t width = line.left() < 60 ? kSmallPanelGraph : kPanelGraph;
  const auto last = [](const std::deque<double>& values) {
    return values.empty() ? 0 : values.back();
  };
  line.Add("cpu ", Paint::kDim).Add(Graph(track.cpu, width, kFullCpu), Paint::kGood);
  line.Add(" " + CpuText(last(track.cpu)) + "  ");
  line.Add("mem ", Paint::kDim).Add(Graph(track.memory, width, 1), Paint::kBusy);
  line.Add(" " + MemoryText(last(track.memory)));
}

std::string TotalsLine(const TopState& state, const TopScreen& screen) {
  Line line(screen);
  line.Add(" all     ", Paint::kDim);
  AddGraphs(line, state.TrackOfAll());
  return line.Take();
}

// The last column is only there if somebody has a health check.
bool HasHealth(const std::vector<Row>& rows) {
  return std::ranges::any_of(rows, [](const Row& row) { return row.health.has_value(); });
}

std::vector<Column> Columns(const TopState& state) {
  struct Known {
    std::string_view title;
    std::string_view ordered;  // the title when the table is in its order
    std::string_view reversed;
    int importance;
    Order order;
  };
  constexpr std::array kKnown = {
      Known{"id", "id ▾", "id ▴", 25, Order::kListed},
      Known{"name", "name ▾", "name ▴", kAlways, Order::kName},
      Known{"state", "state ▾", "state ▴", kAlways, Order::kState},
      Known{"pid", "", "", 60, Order::kListed},
      Known{"gen", "", "", 40, Order::kListed},
      Known{"uptime", "uptime ▾", "uptime ▴", 50, Order::kUptime},
      Known{"restarts", "restarts ▾", "restarts ▴", 70, Order::kRestarts},
      Known{"cpu", "cpu ▾", "cpu ▴", 90, Order::kCpu},
      Known{"", "", "", 30, Order::kListed},
      Known{"mem", "mem ▾", "mem ▴", 80, Order::kMemory},
      Known{"health", "", "", 35, Order::kListed},
  };
  std::vector<Column> columns;
  for (const Known& known : kKnown) {
    const bool is_order = known.order == state.order() && !known.ordered.empty();
    columns.push_back({!is_order             ? known.title
                       : state.is_reversed() ? known.reversed
                                             : known.ordered,
                       known.importance});
  }
  if (!HasHealth(state.rows())) columns.pop_back();
  return columns;
}

std::vector<CellText> CellsOf(const TopState& state, const Row& row, std::size_t columns) {
  const StateLabel label = LabelOf(row);
  const std::string name = Clean(row.name());
  const bool is_bad = row.health && row.health->kind == control::Health::Kind::kBad;
  const auto number = [](bool is_there, auto value) {
    return is_there ? std::to_string(value) : std::string(kNone);
  };
  const bool has_cpu = row.cpu_percent && std::isfinite(*row.cpu_percent);
  return {
      {std::to_string(row.id), Paint::kDim},
      {Cut(name, std::max<std::size_t>(columns / 3, 8)), Paint::kPlain},
      {Cut(label.text, std::clamp<std::size_t>(columns / 4, 11, kLongestState)), label.paint},
      {number(row.pid.is_set(), row.pid.number()), Paint::kDim},
      {number(row.generation.is_set(), row.generation.number()), Paint::kPlain},
      {row.uptime_ms ? DurationText(*row.uptime_ms) : std::string(kNone), Paint::kPlain},
      {std::to_string(row.restarts), row.restarts == 0 ? Paint::kDim : Paint::kPlain},
      {has_cpu ? CpuText(*row.cpu_percent) : std::string(kNone), Paint::kPlain},
      {Graph(state.TrackOf(row.name()).cpu, kRowGraph, kFullCpu), Paint::kGood},
      {row.memory_bytes ? BytesText(*row.memory_bytes) : std::string(kNone), Paint::kPlain},
      {Cut(HealthText(row), kLongestState), is_bad ? Paint::kBad : Paint::kPlain},
  };
}

// The head and as many rows as there is room for, the chosen one among them.
std::vector<std::string> TableLines(const TopState& state, const TopScreen& screen,
                                    std::size_t room) {
  const auto shown = state.Shown();
  if (shown.empty()) {
    const std::string text = state.rows().empty()
                                 ? " nothing is known to this daemon yet: oxherd start"
                                 : " none matches; Esc ends the filter";
    return {Line(screen).Add(text, Paint::kDim).Take()};
  }
  const std::size_t chosen = state.ChosenPlace();
  const std::size_t body = std::max<std::size_t>(room, 2) - 1;
  const std::size_t most = shown.size() > body ? shown.size() - body : 0;
  const std::size_t first = std::min(chosen > body / 2 ? chosen - body / 2 : 0, most);
  const std::size_t last = std::min(first + body, shown.size());
  const bool has_health = HasHealth(state.rows());
  std::vector<std::vector<CellText>> cells;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    cells.push_back(CellsOf(state, *shown[i], screen.columns));
    if (!has_health) cells.back().pop_back();
    // A colour of its own would end the reversal.
    for (CellText& cell : cells.back()) {
      if (i == chosen) cell.paint = Paint::kPlain;
    }
  }
  // Where not even name and state fit, their lines are cut, for which they must be plain.
  const bool fits = screen.columns >= kNarrowest;
  const Screen table{.is_terminal = true, .colour = screen.colour && fits, .width = screen.columns};
  const std::string text = RenderTable(table, Columns(state), cells);
  std::vector<std::string> lines;
  std::size_t at = 0;
  for (std::size_t begin = 0; begin < text.size(); ++at) {
    const std::size_t end = text.find('\n', begin);
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (at > 0 && (at - 1 < first || at - 1 >= last)) continue;
    if (at == chosen + 1) {
      line = Cut("›" + line.substr(1), screen.columns);
      line.append(screen.columns - std::min(WidthOf(line), screen.columns), ' ');
      line.insert(0, "\x1b[7m");
      line += "\x1b[0m";
    } else if (!fits) {
      line = Cut(line, screen.columns);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string LogHead(const TopState& state, const Row& chosen, const TopScreen& screen) {
  Line line(screen);
  line.Add("── ", Paint::kDim).Add(Clean(chosen.name()), Paint::kBold).Add("  ");
  AddGraphs(line, state.TrackOf(chosen.name()));
  if (state.log_back() > 0) line.Add(fmt::format("  {} lines back", state.log_back()));
  return line.Add(" ").FillWith("─", screen.columns).Take();
}

std::vector<std::string> LogLines(const TopState& state, const Row& chosen, const TopScreen& screen,
                                  std::size_t room) {
  std::vector<std::string> lines = {LogHead(state, chosen, screen)};
  std::string advice = AdviceFor(chosen, Clean(chosen.name()), screen.now_unix_ms);
  // The log stands right below.
  advice = advice.substr(0, advice.rfind(": oxherd logs"));
  if (!advice.empty() && room > 2) {
    lines.push_back(Line(screen).Add(" " + advice, Paint::kBusy).Take());
  }
  const bool is_its = state.log_of == chosen.name();
  const std::deque<std::string>& log = state.log();
  const std::size_t most = room - lines.size();
  // Gone back beyond the first line: as much as there is.
  const std::size_t end = std::max(log.size() - state.log_back(), std::min(most, log.size()));
  for (std::size_t i = end - std::min(end, most); is_its && i < end; ++i) {
    lines.push_back(Line(screen).Add(" " + log[i]).Take());
  }
  if (is_its && log.empty() && most > 0) {
    lines.push_back(Line(screen).Add(" nothing printed yet", Paint::kDim).Take());
  }
  return lines;
}

std::string FootLine(const TopState& state, const TopScreen& screen) {
  Line line(screen);
  switch (state.mode()) {
    case Mode::kFiltering:
      return line.Add(" filter: ", Paint::kBold)
          .Add(state.filter() + "▏")
          .Add(fmt::format("  {} of {}; Enter keeps it, Esc ends it", state.Shown().size(),
                           state.rows().size()),
               Paint::kDim)
          .Take();
    case Mode::kConfirming:
      return line.Add(" " + state.question(), Paint::kBold).Add(" y: yes, else no").Take();
    case Mode::kHelp:
      return line.Add(" any key goes back", Paint::kDim).Take();
    case Mode::kBrowsing:
      break;
  }
  if (!state.notice.empty()) return line.Add(" " + state.notice, Paint::kBold).Take();
  if (!state.filter().empty()) {
    line.Add(" filter " + state.filter(), Paint::kBold).Add(" (Esc ends it) ", Paint::kDim);
  }
  const auto hint = [&](std::string_view key, std::string_view meaning) {
    line.Add(" ").Add(key, Paint::kBold).Add(" ").Add(meaning, Paint::kDim);
  };
  hint("q", "quit");
  hint("?", "keys");
  hint("/", "filter");
  hint("c m n", "order");
  hint("r", "reload");
  hint("R", "restart");
  hint("s", "stop");
  hint("S", "start");
  hint("l", "log");
  return line.Take();
}

// Rows that the log and its head get; 0: it is not shown.
std::size_t RoomForLog(const TopState& state, const TopScreen& screen, std::size_t room) {
  if (state.Chosen() == nullptr || state.log_size() == TopState::LogSize::kNone) return 0;
  const std::size_t table = state.Shown().size() + 1;
  if (state.log_size() == TopState::LogSize::kMost) return room - std::min<std::size_t>(room, 4);
  if (screen.rows < kRowsForLog) return 0;
  // What the table leaves, and at least a third.
  return std::max(room / 3, room - std::min(room, table));
}

}  // namespace

std::string Graph(const std::deque<double>& values, std::size_t width, double full) {
  constexpr std::array kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::size_t count = std::min(width, values.size());
  const auto first = values.end() - static_cast<std::ptrdiff_t>(count);
  double most = full;
  for (auto value = first; value != values.end(); ++value) {
    if (std::isfinite(*value)) most = std::max(most, *value);
  }
  std::string graph(width - count, ' ');
  for (auto value = first; value != values.end(); ++value) {
    const double share = std::isfinite(*value) ? std::clamp(*value / most, 0.0, 1.0) : 0;
    graph += kBlocks[static_cast<std::size_t>(std::lround(share * (kBlocks.size() - 1)))];
  }
  return graph;
}

std::vector<std::string> TopFrame(const TopState& state, const TopScreen& screen) {
  std::vector<std::string> lines = {TitleLine(state, screen)};
  const auto append = [&](std::vector<std::string> more) {
    lines.insert(lines.end(), more.begin(), more.end());
  };
  if (screen.rows >= kRowsForTotals) lines.push_back(TotalsLine(state, screen));
  if (state.mode() == Mode::kHelp) {
    for (const char* text : kHelp) lines.push_back(Line(screen).Add(text).Take());
  } else if (screen.rows > lines.size() + 1) {
    const std::size_t room = screen.rows - lines.size() - 1;
    const std::size_t for_log = RoomForLog(state, screen, room);
    append(TableLines(state, screen, room - for_log));
    lines.resize(screen.rows - 1 - for_log);
    if (for_log > 0) append(LogLines(state, *state.Chosen(), screen, for_log));
  }
  lines.resize(std::max<std::size_t>(screen.rows, 1) - 1);
  lines.push_back(FootLine(state, screen));
  return lines;
}

}  // namespace oxherd::cli
