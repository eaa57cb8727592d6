// The journal of events: numbered lines in the state folder, at most two files of a bounded size.
//
// Written on a thread of its own and never synced: a kill -9 of the daemon loses what it had not
// handed to the kernel yet (numbers go on from the last line that is there), a crash of the machine
// what the kernel had not. A disk that takes nothing costs events, and nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "control/event_record.h"
#include "daemon/store/background.h"

namespace oxherd {

class EventJournal {
 public:
  struct Limits {
    std::uint64_t file_bytes = 1024UL * 1024;    // then it becomes the older file
    std::uint64_t waiting_bytes = 256UL * 1024;  // more are dropped, and their numbers with them
  };

  // Reads the last number from the files, and starts the writer. Blocks on the disk.
  [[nodiscard]] static Result<std::unique_ptr<EventJournal>> Open(std::string folder,
                                                                  const Limits& limits);
  // Writes what is still to be written.
  ~EventJournal() = default;
  EventJournal(const EventJournal&) = delete;
  EventJournal& operator=(const EventJournal&) = delete;

  // Gives the event its number and returns at once.
  void Add(control::EventRecord& event);

 private:
  EventJournal(std::string folder, const Limits& limits)
      : folder_(std::move(folder)), limits_(limits) {}
  void Write();  // on the writer's thread

  std::string folder_;
  Limits limits_;
  std::uint64_t last_number_ = 0;  // the loop's
  std::mutex mutex_;               // of what follows
  std::string waiting_;
  bool is_asked_ = false;               // a Write() is on its way
  std::unique_ptr<Background> writer_;  // last: it ends first
};

}  // namespace oxherd
