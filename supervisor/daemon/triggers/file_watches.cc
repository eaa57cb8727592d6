#include "daemon/triggers/file_watches.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/watch_filter.h"
#include "os/clock.h"

namespace oxherd {
namespace {

// Folders that are taken in before others have their turn: some milliseconds.
constexpr std::size_t kFoldersPerTurn = 128;
// A tree that never rests is a change all the same, after so many times `watch_delay_ms` and more.
constexpr int kMostDelays = 10;
constexpr Seconds kMostWait{2};
constexpr Seconds kLookAgain{1};  // for a root that is missing

bool IsWatched(const State& state, const Service& service, const Spec& spec) {
  return !spec.watch.paths.empty() && !state.shutdown && service.wish == Wish::kRunning &&
         !service.deleting;
}

// `path`, seen from the folder; empty: it is not below.
std::string Below(const std::string& path, const std::string& folder) {
  const std::string start = folder.ends_with('/') ? folder : folder + "/";
  return path.starts_with(start) ? path.substr(start.size()) : std::string();
}

}  // namespace

void FileWatches::Update() {
  std::vector<std::pair<const Service*, SpecPtr>> wanted;
  bool is_new = false;
  for (const Service& service : parts_.state.services) {
    const KeptSpec* kept = service.Find(service.generation);
    if (kept == nullptr || !IsWatched(parts_.state, service, *kept->spec)) continue;
    const std::size_t at = wanted.size();
    is_new |= at >= entries_.size() || entries_[at]->spec != kept->spec ||
              entries_[at]->service != service.name;
    wanted.emplace_back(&service, kept->spec);
    if (is_new || !entries_[at]->is_held || service.rollout) continue;
    entries_[at]->is_held = false;
    Replace(*entries_[at]);
  }
  if (!is_new && wanted.size() == entries_.size()) return;
  auto before = std::exchange(entries_, {});
  for (const auto& [service, spec] : wanted) {
    const auto same = std::ranges::find_if(before, [&](const std::unique_ptr<Entry>& entry) {
      return entry != nullptr && entry->spec == spec && entry->service == service->name;
    });
    entries_.push_back(same != before.end() ? std::move(*same) : Make(*service, spec));
  }
}

// What the service writes itself is no reason to replace it.
WatchSpec FileWatches::WithOwnLogs(const Spec& spec, SlotIndex count) const {
  WatchSpec watch = spec.watch;
  std::set<std::string> globs;
  for (SlotIndex slot = 0; slot < count; ++slot) {
    const Result<LogSpec> logs = LogsOf(spec, slot, parts_.ground);
    if (!logs) continue;
    for (const std::string& root : watch.paths) {
      for (const std::string& path : {logs->out_path, logs->err_path}) {
        const std::string below = Below(path, root);
        if (!below.empty()) globs.insert("/" + below + "*");  // rotated ones as well
      }
      const std::string below = Below(parts_.ground.logs_folder, root);
      if (!below.empty()) globs.insert("/" + below);
    }
  }
  watch.ignore.insert(watch.ignore.end(), globs.begin(), globs.end());
  return watch;
}

std::unique_ptr<FileWatches::Entry> FileWatches::Make(const Service& service, const SpecPtr& spec) {
  auto entry = std::make_unique<Entry>();
  entry->service = service.name;
  entry->spec = spec;
  const auto filter = std::make_shared<WatchFilter>(WithOwnLogs(*spec, spec->policy.instances));
  auto opened = os::TreeWatch::Open(
      spec->watch.paths,
      {.ignores_folder = [filter](std::string_view path) { return filter->IgnoresFolder(path); },
       .counts_file = [filter](std::string_view path) { return filter->CountsFile(path); }});
  if (!opened) {
    SayTrouble(*entry, opened.error().message);
    return entry;
  }
  entry->tree = std::move(*opened);
  entry->watch = parts_.loop.WatchFor(Loop::For::kReading, entry->tree->fd(),
                                      [this, one = entry.get()] { Hear(*one); });
  Walk(*entry, os::Now());
  return entry;
}

void FileWatches::Walk(Entry& entry, Instant now) const {
  entry.walk_at = entry.tree->Walk(kFoldersPerTurn) ? now : kNever;
  entry.retry_at = entry.tree->misses_root() ? now + kLookAgain : kNever;
  SayTrouble(entry, entry.tree->misses_root() && entry.tree->trouble().empty()
                        ? "a path of watch is not there; it is looked for every second"
                        : entry.tree->trouble());
  if (auto change = entry.tree->Take()) Note(entry, change->path);
}

void FileWatches::Hear(Entry& entry) const {
  if (auto change = entry.tree->Take()) Note(entry, change->path);
  Walk(entry, os::Now());
}

void FileWatches::Note(Entry& entry, const std::string& path) const {
  const Instant now = os::Now();
  const Millis delay = entry.spec->watch.delay;
  if (entry.first_change == kNever) {
    entry.first_change = now;
    entry.changed = path;
  }
  entry.due_at = std::min(now + delay, entry.first_change + kMostDelays * delay + kMostWait);
}

void FileWatches::SayTrouble(Entry& entry, const std::string& trouble) const {
  if (trouble == entry.trouble) return;
  entry.trouble = trouble;
  if (trouble.empty()) {
    parts_.log.Info(entry.service + " watch: everything is watched again");
  } else {
    parts_.log.Warn(entry.service + " watch: " + trouble);
  }
}

Instant FileWatches::deadline() const {
  Instant earliest = kNever;
  for (const auto& entry : entries_) {
    earliest = std::min({earliest, entry->due_at, entry->walk_at, entry->retry_at});
  }
  return earliest;
}

void FileWatches::OnTime(Instant now) {
  for (const auto& entry : entries_) {
    if (entry->retry_at <= now) {
      if (entry->tree->Retry()) Note(*entry, "");
      Walk(*entry, now);
    } else if (entry->walk_at <= now) {
      Walk(*entry, now);
    }
    if (entry->due_at > now) continue;
    entry->due_at = kNever;
    entry->first_change = kNever;
    const Service* service = parts_.state.Find(entry->service);
    entry->is_held = service != nullptr && service->rollout.has_value();
    if (!entry->is_held) Replace(*entry);
  }
}

void FileWatches::Replace(Entry& entry) const {
  const std::string what = entry.changed.empty() ? "something" : entry.changed;
  parts_.log.Info(entry.service + " watch: " + what + " changed; its instances are replaced");
  parts_.inbox.Put(Urgency::kRest, event::Replace{.service = entry.service, .slot = {}});
}

std::string FileWatches::TroubleOf(std::string_view service) const {
  const auto found = std::ranges::find_if(
      entries_, [&](const std::unique_ptr<Entry>& entry) { return entry->service == service; });
  return found == entries_.end() ? std::string() : (*found)->trouble;
}

}  // namespace oxherd
