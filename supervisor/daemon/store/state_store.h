// Where state.json lives: read at the start, written behind the loop's back.
//
// The state in memory is the truth; a disk that is full or slow delays the file and nothing else.
// Written are whole files (temporary, fsync, rename, fsync of the directory), the newest wish wins,
// and the file before it is kept as state.json.previous.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "core/event.h"
#include "daemon/store/background.h"
#include "os/fd.h"

namespace oxherd {

constexpr std::size_t kMaxStateFileBytes = 256UL * 1024 * 1024;

class StateStore {
 public:
  // What is on the disk. Without any file, or with none that holds, wishes are empty; each file
  // that does not hold makes one warning, and is kept as NAME.damaged.
  struct Loaded {
    event::Boot wishes;
    std::vector<std::string> warnings;
  };
  [[nodiscard]] static Loaded Load(const std::string& folder);

  // Starts the writer.
  [[nodiscard]] static Result<std::unique_ptr<StateStore>> Open(std::string folder);
  // Writes what is still to be written, once.
  ~StateStore();

  // Returns at once; an older wish that was not written yet never will be.
  void Save(event::Boot wishes);

  // Readable after each attempt to write; stays ours. Then call TakeOutcome().
  [[nodiscard]] int event_fd() const { return event_fd_.get(); }
  // Of the latest attempt: nothing if it succeeded, else why not and when the next one is.
  [[nodiscard]] std::optional<std::string> TakeOutcome();

  // All that was saved is on the disk.
  [[nodiscard]] bool is_settled() const;

  static constexpr Millis kFirstRetry{1000};
  static constexpr Millis kLongestRetry{60000};

 private:
  StateStore(std::string folder, os::Fd event_fd)
      : folder_(std::move(folder)), event_fd_(std::move(event_fd)) {}
  void Write();  // on the writer's thread

  std::string folder_;
  os::Fd event_fd_;
  Millis retry_ = kFirstRetry;  // the writer's own

  mutable std::mutex mutex_;
  std::optional<event::Boot> wanted_;  // nothing: all is written, or being written
  bool is_writing_ = false;
  std::optional<std::string> trouble_;

  std::unique_ptr<Background> writer_;  // last: it ends first
};

}  // namespace oxherd
