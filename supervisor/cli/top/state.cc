#include "cli/top/state.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "cli/render/terminal.h"

namespace oxherd::cli {
namespace {

using control::Command;
using control::Row;
using Kind = Key::Kind;

constexpr std::int64_t kPage = 10;
constexpr std::int64_t kFar = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kLongestFilter = 100;

void Append(std::deque<double>& values, double value) {
  values.push_back(value);
  if (values.size() > kTrackLength) values.pop_front();
}

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return text;
}

bool Holds(const std::string& text, const std::string& part) {
  return Lower(text).contains(Lower(part));
}

// Most first for what is counted, as that is what one looks for.
bool ComesBefore(const Row& a, const Row& b, TopState::Order order) {
  switch (order) {
    case TopState::Order::kListed:
      return a.id < b.id;
    case TopState::Order::kName:
      return std::pair(a.service, a.slot) < std::pair(b.service, b.slot);
    case TopState::Order::kState:
      return a.state < b.state;
    case TopState::Order::kCpu:
      return a.cpu_percent.value_or(-1) > b.cpu_percent.value_or(-1);
    case TopState::Order::kMemory:
      return a.memory_bytes.value_or(0) > b.memory_bytes.value_or(0);
    case TopState::Order::kRestarts:
      return a.restarts > b.restarts;
    case TopState::Order::kUptime:
      return a.uptime_ms.value_or(-1) > b.uptime_ms.value_or(-1);
  }
  return false;
}

}  // namespace

void TopState::TakeRows(std::vector<Row> rows) {
  std::map<std::string, Track> tracks;
  double cpu = 0;
  double memory = 0;
  for (const Row& row : rows) {
    auto known = tracks_.find(row.name());
    Track track = known == tracks_.end() ? Track{} : std::move(known->second);
    const double row_cpu = row.cpu_percent.value_or(0);
    const auto row_memory = static_cast<double>(row.memory_bytes.value_or(0));
    Append(track.cpu, row_cpu);
    Append(track.memory, row_memory);
    cpu += row_cpu;
    memory += row_memory;
    tracks.emplace(row.name(), std::move(track));
  }
  Append(track_of_all_.cpu, cpu);
  Append(track_of_all_.memory, memory);
  tracks_ = std::move(tracks);
  // What stood where the chosen one was is chosen when that is gone.
  const std::size_t place = ChosenPlace();
  rows_ = std::move(rows);
  const auto shown = Shown();
  const bool is_there =
      std::ranges::any_of(shown, [&](const Row* row) { return row->name() == chosen_; });
  if (!is_there && !shown.empty()) chosen_ = shown[std::min(place, shown.size() - 1)]->name();
}

std::vector<const Row*> TopState::Shown() const {
  std::vector<const Row*> shown;
  for (const Row& row : rows_) {
    if (Holds(row.name(), filter_) || Holds(row.state, filter_)) shown.push_back(&row);
  }
  std::ranges::sort(shown, [&](const Row* a, const Row* b) {
    if (ComesBefore(*a, *b, order_)) return !reversed_;
    if (ComesBefore(*b, *a, order_)) return reversed_;
    return a->id < b->id;  // equal ones stand as listed
  });
  return shown;
}

std::size_t TopState::ChosenPlace() const {
  const auto shown = Shown();
  const auto found =
      std::ranges::find_if(shown, [&](const Row* row) { return row->name() == chosen_; });
  return found == shown.end() ? 0 : static_cast<std::size_t>(found - shown.begin());
}

const Row* TopState::Chosen() const {
  const auto shown = Shown();
  return shown.empty() ? nullptr : shown[ChosenPlace()];
}

const Track& TopState::TrackOf(const std::string& name) const {
  static const Track kNone;
  const auto found = tracks_.find(name);
  return found == tracks_.end() ? kNone : found->second;
}

TopWish TopState::Press(const Key& key) {
  notice.clear();
  if (key.kind == Kind::kInterrupt) return {TopWish::Kind::kQuit};
  if (key.kind == Kind::kSuspend) return {TopWish::Kind::kSuspend};
  if (key.kind == Kind::kRedraw) return {TopWish::Kind::kRedraw};
  switch (mode_) {
    case Mode::kBrowsing:
      return PressBrowsing(key);
    case Mode::kFiltering:
      PressFiltering(key);
      return {};
    case Mode::kConfirming:
      return PressConfirming(key);
    case Mode::kHelp:
      mode_ = Mode::kBrowsing;
      return {};
  }
  return {};
}

TopWish TopState::PressBrowsing(const Key& key) {
  switch (key.kind) {
    case Kind::kUp:
      Move(-1);
      break;
    case Kind::kDown:
      Move(1);
      break;
    case Kind::kPageUp:
      PressFar(-kPage);
      break;
    case Kind::kPageDown:
      PressFar(kPage);
      break;
    case Kind::kHome:
      PressFar(-kFar);
      break;
    case Kind::kEnd:
      PressFar(kFar);
      break;
    case Kind::kEnter:
      return PressLetter("l");
    case Kind::kEscape:
      filter_.clear();
      if (log_size_ == LogSize::kMost) log_size_ = LogSize::kSome;
      log_back_ = 0;
      break;
    case Kind::kCharacter:
      return PressLetter(key.text);
    case Kind::kPasted:
    case Kind::kBackspace:
    case Kind::kInterrupt:
    case Kind::kSuspend:
    case Kind::kRedraw:
    case Kind::kOther:
      break;
  }
  return {};
}

TopWish TopState::PressLetter(const std::string& letter) {
  if (letter == "q") return {TopWish::Kind::kQuit};
  if (letter == "?" || letter == "h") mode_ = Mode::kHelp;
  if (letter == "/") mode_ = Mode::kFiltering;
  if (letter == "k") Move(-1);
  if (letter == "j") Move(1);
  if (letter == "g") Move(-kFar);
  if (letter == "G") Move(kFar);
  if (letter == "c") OrderBy(Order::kCpu);
  if (letter == "m") OrderBy(Order::kMemory);
  if (letter == "n") OrderBy(Order::kName);
  if (letter == "t") OrderBy(Order::kRestarts);
  if (letter == "u") OrderBy(Order::kUptime);
  if (letter == "e") OrderBy(Order::kState);
  if (letter == "i") OrderBy(Order::kListed);
  if (letter == "o") {
    const bool is_last = order_ == Order::kUptime;
    order_ = is_last ? Order::kListed : static_cast<Order>(static_cast<int>(order_) + 1);
    reversed_ = false;
  }
  if (letter == "l") {
    log_size_ = log_size_ == LogSize::kMost ? LogSize::kSome : LogSize::kMost;
    log_back_ = 0;
  }
  if (letter == "L") {
    log_size_ = log_size_ == LogSize::kNone ? LogSize::kSome : LogSize::kNone;
    log_back_ = 0;
  }
  if (letter == "r") AskFor(Command::kReload);
  if (letter == "R") AskFor(Command::kRestart);
  if (letter == "s") AskFor(Command::kStop);
  if (letter == "S") AskFor(Command::kStart);
  return {};
}

void TopState::PressFiltering(const Key& key) {
  switch (key.kind) {
    case Kind::kEnter:
      mode_ = Mode::kBrowsing;
      break;
    case Kind::kEscape:
      filter_.clear();
      mode_ = Mode::kBrowsing;
      break;
    case Kind::kBackspace:
      while (!filter_.empty() && (static_cast<unsigned char>(filter_.back()) & 0xC0U) == 0x80) {
        filter_.pop_back();
      }
      if (!filter_.empty()) filter_.pop_back();
      break;
    case Kind::kCharacter:
    case Kind::kPasted: {
      const std::string text = Clean(key.text.substr(0, key.text.find_first_of("\r\n")));
      if (filter_.size() + text.size() <= kLongestFilter) filter_ += text;
      break;
    }
    case Kind::kUp:
      Move(-1);
      break;
    case Kind::kDown:
      Move(1);
      break;
    case Kind::kPageUp:
    case Kind::kPageDown:
    case Kind::kHome:
    case Kind::kEnd:
    case Kind::kInterrupt:
    case Kind::kSuspend:
    case Kind::kRedraw:
    case Kind::kOther:
      break;
  }
  Move(0);
}

TopWish TopState::PressConfirming(const Key& key) {
  const bool is_yes = key.kind == Kind::kCharacter && (key.text == "y" || key.text == "Y");
  mode_ = Mode::kBrowsing;
  question_.clear();
  if (is_yes) return std::exchange(asked_for_, {});
  notice = "nothing was done";
  return {};
}

void TopState::Move(std::int64_t by) {
  const auto shown = Shown();
  if (shown.empty()) return;
  const auto last = static_cast<std::int64_t>(shown.size()) - 1;
  const std::int64_t place =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(ChosenPlace()) + by, 0, last);
  chosen_ = shown[static_cast<std::size_t>(place)]->name();
}

// Through the log where that is large, else through the table.
void TopState::PressFar(std::int64_t by) {
  if (log_size_ != LogSize::kMost) return Move(by);
  const auto most = static_cast<std::int64_t>(log_.size());
  log_back_ = static_cast<std::size_t>(
      std::clamp<std::int64_t>(static_cast<std::int64_t>(log_back_) - by, 0, most));
}

void TopState::AddLogLine(std::string line) {
  log_.push_back(std::move(line));
  if (log_.size() > kTopLogLines) log_.pop_front();
  if (log_back_ > 0) log_back_ = std::min(log_back_ + 1, log_.size());
}

void TopState::ForgetLog() {
  log_.clear();
  log_back_ = 0;
}

// The second time the other way round.
void TopState::OrderBy(Order order) {
  reversed_ = order_ == order && !reversed_;
  order_ = order;
}

void TopState::AskFor(Command command) {
  const Row* chosen = Chosen();
  if (chosen == nullptr) return;
  const auto instances = std::ranges::count(rows_, chosen->service, &Row::service);
  asked_for_ = {TopWish::Kind::kChange, command, chosen->service};
  question_ = std::string(control::Name(command)) + " " + Clean(chosen->service) +
              (instances > 1 ? " (" + std::to_string(instances) + " instances)" : "") + "?";
  mode_ = Mode::kConfirming;
}

}  // namespace oxherd::cli
