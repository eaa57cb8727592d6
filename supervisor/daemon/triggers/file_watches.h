// What `watch` says: hears of files that change, and asks for a replacement when they rest.
//
// A change during a replacement counts when that is over: what it started may have read the file
// before. A tree is taken in a few folders at a time, one turn of the loop each.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "core/state.h"
#include "daemon/daemon_log.h"
#include "daemon/inbox.h"
#include "daemon/launch/spawn_plan.h"
#include "daemon/loop.h"
#include "os/tree_watch.h"

namespace oxherd {

class FileWatches {
 public:
  struct Parts {
    const State& state;
    Inbox& inbox;
    DaemonLog& log;
    Loop& loop;
    const SpawnGround& ground;
  };
  explicit FileWatches(Parts parts) : parts_(parts) {}

  // Takes over what the services' specs say now. Cheap where nothing has changed.
  void Update();
  // When OnTime() has something to do; kNever: not before a file changes.
  [[nodiscard]] Instant deadline() const;
  void OnTime(Instant now);

  // Why not everything that is to be watched is; empty: it is, or nothing is to be.
  [[nodiscard]] std::string TroubleOf(std::string_view service) const;

 private:
  struct Entry {
    std::string service;
    SpecPtr spec;
    std::optional<os::TreeWatch> tree;
    std::string trouble;  // said
    std::string changed;  // the first file; empty: none, or not known which
    Instant first_change = kNever;
    Instant due_at = kNever;  // then nothing has changed for long enough
    bool is_held = false;     // due, but a rollout is under way
    Instant walk_at = kNever;
    Instant retry_at = kNever;           // a root is missing
    std::unique_ptr<Loop::Watch> watch;  // goes before what it watches
  };

  [[nodiscard]] std::unique_ptr<Entry> Make(const Service& service, const SpecPtr& spec);
  [[nodiscard]] WatchSpec WithOwnLogs(const Spec& spec, SlotIndex count) const;
  void Walk(Entry& entry, Instant now) const;
  void Hear(Entry& entry) const;
  void Note(Entry& entry, const std::string& path) const;
  void SayTrouble(Entry& entry, const std::string& trouble) const;
  void Replace(Entry& entry) const;

  Parts parts_;
  std::vector<std::unique_ptr<Entry>> entries_;  // in the order of the services
};

}  // namespace oxherd
