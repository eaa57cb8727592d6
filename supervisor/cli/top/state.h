// What `oxherd top` knows: rows, history, choice, order, filter and mode; and what each key means
// there. Pure: no terminal, no daemon, no clock.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "cli/top/keys.h"
#include "control/message.h"

namespace oxherd::cli {

// How many measurements a graph goes back, one a second.
constexpr std::size_t kTrackLength = 120;
// Lines of the log that are kept.
constexpr std::size_t kTopLogLines = 500;

// The history of one instance, newest last. What was not measured counts as 0.
struct Track {
  std::deque<double> cpu;     // percent of one core
  std::deque<double> memory;  // bytes
};

// What a key asks of whoever has the daemon and the terminal.
struct TopWish {
  enum class Kind : std::uint8_t { kNothing, kQuit, kSuspend, kRedraw, kChange };
  Kind kind = Kind::kNothing;
  control::Command command = control::Command::kReload;  // kChange
  std::string service = {};
};

class TopState {
 public:
  enum class Order : std::uint8_t { kListed, kName, kState, kCpu, kMemory, kRestarts, kUptime };
  enum class Mode : std::uint8_t { kBrowsing, kFiltering, kConfirming, kHelp };
  enum class LogSize : std::uint8_t { kNone, kSome, kMost };

  // The daemon's answer: histories grow by one, the choice stays with its instance if that is
  // there still.
  void TakeRows(std::vector<control::Row> rows);
  [[nodiscard]] TopWish Press(const Key& key);

  // Rows that the filter takes, in their order.
  [[nodiscard]] std::vector<const control::Row*> Shown() const;
  // The chosen one; null if nothing is shown.
  [[nodiscard]] const control::Row* Chosen() const;
  // Its place in Shown().
  [[nodiscard]] std::size_t ChosenPlace() const;
  [[nodiscard]] const Track& TrackOf(const std::string& name) const;  // empty for a stranger
  [[nodiscard]] const Track& TrackOfAll() const { return track_of_all_; }

  [[nodiscard]] const std::vector<control::Row>& rows() const { return rows_; }
  [[nodiscard]] Order order() const { return order_; }
  [[nodiscard]] bool is_reversed() const { return reversed_; }
  [[nodiscard]] Mode mode() const { return mode_; }
  [[nodiscard]] LogSize log_size() const { return log_size_; }
  [[nodiscard]] const std::string& filter() const { return filter_; }
  // While confirming: "reload api (2 instances)?"
  [[nodiscard]] const std::string& question() const { return question_; }

  // The last lines that the chosen one has printed. Whoever looks further back stays there when
  // more comes.
  void AddLogLine(std::string line);
  void ForgetLog();
  [[nodiscard]] const std::deque<std::string>& log() const { return log_; }
  // How many of the last lines stand below the screen.
  [[nodiscard]] std::size_t log_back() const { return log_back_; }

  // For the caller to fill in: whose the log is, and what is to be said, of how a command goes, or
  // of a daemon that is away.
  std::string log_of;   // whose they are
  std::string notice;   // until the next key
  std::string trouble;  // until it has passed

 private:
  TopWish PressBrowsing(const Key& key);
  TopWish PressLetter(const std::string& letter);
  void PressFiltering(const Key& key);
  TopWish PressConfirming(const Key& key);
  void Move(std::int64_t by);
  void PressFar(std::int64_t by);
  void OrderBy(Order order);
  void AskFor(control::Command command);

  std::vector<control::Row> rows_;
  std::map<std::string, Track> tracks_;
  Track track_of_all_;
  std::deque<std::string> log_;
  std::size_t log_back_ = 0;
  std::string chosen_;
  std::string filter_;
  std::string question_;
  TopWish asked_for_;  // what a yes means
  Order order_ = Order::kListed;
  bool reversed_ = false;
  Mode mode_ = Mode::kBrowsing;
  LogSize log_size_ = LogSize::kSome;
};

}  // namespace oxherd::cli
