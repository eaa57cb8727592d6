#include "cli/render/list.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <map>
#include <set>

#include "cli/render/table.h"
#include "control/words.h"

namespace oxherd::cli {
namespace {

using control::BytesText;
using control::DurationText;
using control::Health;
using control::Row;

constexpr std::string_view kNone = "–";
constexpr std::size_t kLongestCell = 28;
// In milliseconds: how long it is worth a line that an instance was replaced.
constexpr std::int64_t kReplacedIsNews = 3'600'000;

constexpr std::array kColumns = {
    Column{"id", 30},  Column{"name", kAlways}, Column{"namespace", 33}, Column{"state", kAlways},
    Column{"pid", 80}, Column{"gen", 50},       Column{"uptime", 70},    Column{"restarts", 60},
    Column{"cpu", 20}, Column{"mem", 25},       Column{"health", 40},    Column{"listen", 35},
    Column{"next", 45}};
constexpr std::size_t kListenColumn = kColumns.size() - 2;
constexpr std::size_t kNamespaceColumn = 2;

std::string Join(const std::vector<std::string>& parts) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!joined.empty()) joined += ", ";
    joined += part;
  }
  return Clean(joined);
}

std::string CpuText(const Row& row) {
  if (!row.cpu_percent || !std::isfinite(*row.cpu_percent)) return std::string(kNone);
  return fmt::format("{:.0f}%", *row.cpu_percent);
}

std::vector<CellText> CellsOf(const Row& row, std::int64_t now) {
  const StateLabel state = LabelOf(row);
  const auto or_none = [](bool there, std::string text) {
    return there ? std::move(text) : std::string(kNone);
  };
  const bool bad_health = row.health && row.health->kind == Health::Kind::kBad;
  return {
      {std::to_string(row.id), Paint::kDim},
      {Clean(row.name()), Paint::kPlain},
      {or_none(!row.name_space.empty(), Clean(row.name_space)), Paint::kPlain},
      {state.text, state.paint},
      {or_none(row.pid.is_set(), std::to_string(row.pid.number())), Paint::kPlain},
      {or_none(row.generation.is_set(), std::to_string(row.generation.number())), Paint::kPlain},
      {or_none(row.uptime_ms.has_value(), DurationText(row.uptime_ms.value_or(0))), Paint::kPlain},
      {std::to_string(row.restarts), row.restarts == 0 ? Paint::kDim : Paint::kPlain},
      {CpuText(row), Paint::kPlain},
      {or_none(row.memory_bytes.has_value(), BytesText(row.memory_bytes.value_or(0))),
       Paint::kPlain},
      {Cut(HealthText(row), kLongestCell), bad_health ? Paint::kBad : Paint::kPlain},
      {or_none(!row.listen.empty(), Cut(Join(row.listen), kLongestCell)), Paint::kPlain},
      {or_none(row.next_run_unix_ms.has_value(), ClockText(row.next_run_unix_ms.value_or(0), now)),
       Paint::kPlain},
  };
}

std::string FailedAdvice(const Row& row, const std::string& name, std::int64_t now) {
  std::string why = row.last_exit ? row.last_exit->Text() : Clean(row.reason);
  if (why.empty()) why = "it did not start";
  if (row.crashes > 1) {
    why += fmt::format(", {} crashes in {}", row.crashes, DurationText(row.crash_span_ms));
  }
  const std::string next =
      row.next_try_unix_ms ? "next try " + ClockText(*row.next_try_unix_ms, now) : "no further try";
  return fmt::format("{} failed at {} ({}), {}: oxherd logs {} --err", name,
                     ClockText(row.since_unix_ms, now), why, next, name);
}

std::string BackoffAdvice(const Row& row, const std::string& name, std::int64_t now) {
  const std::string why = row.reason.empty() ? "crashed" : Clean(row.reason);
  const std::string next = row.next_try_unix_ms
                               ? "starts again in " + DurationText(std::max<std::int64_t>(
                                                          *row.next_try_unix_ms - now, 0))
                               : "starts again soon";
  return fmt::format("{} {}, {}: oxherd logs {} --err", name, why, next, name);
}

std::string UnhealthyAdvice(const Row& row, const std::string& name) {
  const bool has_words = row.health && !row.health->text.empty();
  return fmt::format("{} is unhealthy{} and is being replaced: oxherd logs {}", name,
                     has_words ? " (" + Clean(row.health->text) + ")" : "", name);
}

std::string ExitedAdvice(const Row& row, const std::string& name) {
  return fmt::format("{} ended by itself{} and its restart policy leaves it so: oxherd start {}",
                     name, row.last_exit ? " (" + row.last_exit->Text() + ")" : "", row.service);
}

// A service whose rows are all in the same state is one line, under its own name.
std::string AdviceLines(const std::vector<Row>& rows, std::int64_t now) {
  std::map<std::string, std::set<std::string>> states;
  for (const Row& row : rows) states[row.service].insert(row.state);
  std::set<std::string> said;
  std::string text;
  for (const Row& row : rows) {
    const bool alike = states[row.service].size() == 1;
    if (alike && !said.insert(row.service).second) continue;
    const std::string advice = AdviceFor(row, Clean(alike ? row.service : row.name()), now);
    if (!advice.empty()) text += " " + advice + "\n";
  }
  return text;
}

}  // namespace

StateLabel LabelOf(const Row& row) {
  struct Known {
    std::string_view state;
    std::string_view glyph;
    Paint paint;
  };
  constexpr std::array kKnown = {
      Known{"ready", "●", Paint::kGood},     Known{"starting", "◐", Paint::kBusy},
      Known{"waiting", "◐", Paint::kBusy},   Known{"draining", "◐", Paint::kBusy},
      Known{"stopping", "◐", Paint::kBusy},  Known{"killing", "◐", Paint::kBad},
      Known{"backoff", "◐", Paint::kBad},    Known{"unhealthy", "◐", Paint::kBad},
      Known{"failed", "○", Paint::kBad},     Known{"exited", "○", Paint::kDim},
      Known{"stopped", "○", Paint::kDim},    Known{"done", "○", Paint::kGood},
      Known{"scheduled", "○", Paint::kGood},
  };
  const auto* known = std::ranges::find(kKnown, row.state, &Known::state);
  StateLabel label;
  if (known == kKnown.end()) {
    label.text = "○ " + Clean(row.state);
  } else {
    label.text = fmt::format("{} {}", known->glyph, known->state);
    label.paint = known->paint;
  }
  if (row.next_generation) {
    label.text += fmt::format(", gen {} {}", row.next_generation->number(), Clean(row.next_state));
  }
  return label;
}

std::string HealthText(const Row& row) {
  if (!row.health || !row.pid.is_set()) return std::string(kNone);
  const Health& health = *row.health;
  std::string text;
  switch (health.kind) {
    case Health::Kind::kUnknown:
      return "not asked yet";
    case Health::Kind::kGood:
      text = "ok";
      if (health.ms) text += fmt::format(" · {} ms", *health.ms);
      return text;
    case Health::Kind::kBad:
      text = "bad";
      if (!health.text.empty()) text += " · " + Clean(health.text);
      return text;
  }
  return text;
}

std::string ClockText(std::int64_t unix_ms, std::int64_t now_unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  const std::time_t now = now_unix_ms / 1000;
  std::tm then{};
  std::tm today{};
  if (::localtime_r(&seconds, &then) == nullptr || ::localtime_r(&now, &today) == nullptr) {
    return control::TimeText(unix_ms);
  }
  std::array<char, 32> text{};
  const bool same_day = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
  const std::size_t length = same_day
                                 ? std::strftime(text.data(), text.size(), "%H:%M", &then)
                                 : std::strftime(text.data(), text.size(), "%b %d %H:%M", &then);
  return {text.data(), length};
}

std::string AdviceFor(const Row& row, const std::string& name, std::int64_t now) {
  if (row.state == "failed") return FailedAdvice(row, name, now);
  if (row.state == "backoff") return BackoffAdvice(row, name, now);
  if (row.state == "unhealthy") return UnhealthyAdvice(row, name);
  if (row.state == "exited" && row.wanted) return ExitedAdvice(row, name);
  if (row.state == "waiting" && !row.waits_for.empty()) {
    return fmt::format("{} waits for {}: oxherd status {}", name, Join(row.waits_for),
                       Clean(row.waits_for[0]));
  }
  if (!row.remark.empty()) return fmt::format("{} {}", name, Clean(row.remark));
  if (row.state == "killing" && !row.reason.empty()) {
    return fmt::format("{} {}: oxherd status {}", name, Clean(row.reason), Clean(row.service));
  }
  const bool replaced_lately =
      row.replaced_unix_ms && now - *row.replaced_unix_ms < kReplacedIsNews && row.wanted;
  if (replaced_lately) {
    return fmt::format("{} replaced at {}: {}", name, ClockText(*row.replaced_unix_ms, now),
                       Clean(row.replaced_because));
  }
  return "";
}

std::string RenderList(const Screen& screen, const std::vector<Row>& rows,
                       std::int64_t now_unix_ms) {
  if (rows.empty()) return "nothing is known to this daemon yet: oxherd start\n";
  std::vector<Column> columns(kColumns.begin(), kColumns.end());
  // Columns of what not everybody has.
  const bool listens =
      std::ranges::any_of(rows, [](const Row& row) { return !row.listen.empty(); });
  const bool has_times =
      std::ranges::any_of(rows, [](const Row& row) { return row.next_run_unix_ms.has_value(); });
  const bool has_namespaces =
      std::ranges::any_of(rows, [](const Row& row) { return !row.name_space.empty(); });
  const auto trim = [&](auto& of_row) {
    if (!has_times) of_row.pop_back();
    if (!listens) of_row.erase(of_row.begin() + kListenColumn);
    if (!has_namespaces) of_row.erase(of_row.begin() + kNamespaceColumn);
  };
  trim(columns);
  std::vector<std::vector<CellText>> cells;
  cells.reserve(rows.size());
  for (const Row& row : rows) {
    cells.push_back(CellsOf(row, now_unix_ms));
    trim(cells.back());
  }
  return RenderTable(screen, columns, cells) + AdviceLines(rows, now_unix_ms);
}

}  // namespace oxherd::cli
