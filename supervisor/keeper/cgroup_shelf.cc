#include "keeper/cgroup_shelf.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace oxherd::keeper {

CgroupShelf::CgroupShelf(std::uint32_t most, Pid keeper, const std::string& left)
    : own_name_("oxherd-" + std::to_string(keeper.number())), most_(most) {
  entries_.reserve(most);
  if (!left.empty()) {
    if (os::SystemResult<os::Fd> root = os::OpenCgroup(left)) {
      root_ = std::move(*root);
      own_name_ = left.substr(left.rfind('/') + 1);
      return;
    }
  }
  // Without cgroups trees are found in /proc: no error.
  if (Result<os::Fd> root = os::MakeOwnCgroup(own_name_)) root_ = std::move(*root);
}

CgroupShelf::Spot CgroupShelf::FindName(std::string_view name) const {
  const auto found = std::ranges::find_if(
      entries_, [name](const Entry& entry) { return entry.name.data() == name; });
  return found == entries_.end() ? kNoSpot : static_cast<Spot>(found - entries_.begin());
}

CgroupShelf::Spot CgroupShelf::Take(std::string_view name, Token token) {
  if (!root_ || name.empty() || name.find('/') != std::string_view::npos || name[0] == '.') {
    return kNoSpot;
  }
  Spot spot = FindName(name);
  const bool is_second = spot != kNoSpot && entries_[spot].in_use;
  if (is_second) {
    // Two instances of a slot at once: the old one and its replacement.
    std::array<char, kMaxName + 1> second{};
    if (name.size() + 21 > kMaxName) return kNoSpot;
    char* end = std::ranges::copy(name, second.data()).out;
    *end++ = '+';
    end = std::to_chars(end, second.data() + kMaxName, token.number()).ptr;
    spot = Make(std::string_view(second.data(), static_cast<std::size_t>(end - second.data())));
  } else if (spot == kNoSpot) {
    spot = Make(name);
  }
  if (spot == kNoSpot) return kNoSpot;
  Entry& entry = entries_[spot];
  entry.in_use = true;
  entry.kept = !is_second;
  entry.oom_kills_before = os::OomKills(entry.directory.get());
  return spot;
}

CgroupShelf::Spot CgroupShelf::Inherit(std::string_view name) {
  if (!root_ || name.empty()) return kNoSpot;
  const Spot spot = Make(name);
  if (spot == kNoSpot) return kNoSpot;
  Entry& entry = entries_[spot];
  entry.in_use = true;
  entry.kept = name.find('+') == std::string_view::npos;
  entry.oom_kills_before = os::OomKills(entry.directory.get());
  return spot;
}

std::string CgroupShelf::path() const {
  return root_ ? os::PathOfOpen(root_.get()) : std::string();
}

CgroupShelf::Spot CgroupShelf::Make(std::string_view name) {
  if (name.size() > kMaxName) return kNoSpot;
  Spot spot = FindName("");
  if (spot == kNoSpot && entries_.size() < most_) {
    spot = static_cast<Spot>(entries_.size());
    entries_.emplace_back();
  }
  if (spot == kNoSpot) return kNoSpot;
  Entry& entry = entries_[spot];
  *std::ranges::copy(name, entry.name.data()).out = '\0';
  os::SystemResult<os::Fd> directory = os::MakeCgroup(root_.get(), entry.name.data());
  if (directory) {
    entry.directory = std::move(*directory);
    if (os::SystemResult<os::Fd> events = os::OpenCgroupEvents(entry.directory.get())) {
      entry.events = std::move(*events);
      return spot;
    }
  }
  Remove(entry);
  return kNoSpot;
}

void CgroupShelf::Return(Spot spot, Instant now) {
  if (spot == kNoSpot) return;
  Entry& entry = entries_[spot];
  entry.unused_since = now;
  // The limits of this one are not for the next, which may have others, or none.
  if (os::HasControllers(entry.directory.get())) entry.kept = false;
  entry.in_use = !entry.kept && !Remove(entry);
  entry.is_left_over = entry.in_use;
}

bool CgroupShelf::Remove(Entry& entry) {
  const os::SystemStatus removed = os::RemoveCgroup(root_.get(), entry.name.data());
  if (!removed && removed.error().number == EBUSY) return false;
  entry = Entry{};
  return true;
}

bool CgroupShelf::IsEmpty(Spot spot) const {
  const os::SystemResult<bool> populated = os::IsPopulated(entries_[spot].events.get());
  return populated && !*populated;
}

// Linux (seen: 6.18) kills at once what is cloned into a cgroup that was killed before: it compares
// the parent's count of kills with the cgroup's, to catch a fork that races with cgroup.kill.
bool CgroupShelf::Kill(Spot spot) {
  Entry& entry = entries_[spot];
  entry.kept = false;
  return os::KillCgroup(entry.directory.get()).has_value();
}

bool CgroupShelf::SawOomKill(Spot spot) const {
  const Entry& entry = entries_[spot];
  return os::OomKills(entry.directory.get()) > entry.oom_kills_before;
}

void CgroupShelf::Tidy(Instant now) {
  for (Entry& entry : entries_) {
    if (entry.name[0] == '\0') continue;
    const bool is_old = !entry.in_use && now - entry.unused_since >= kKeptFor;
    if (is_old || entry.is_left_over) Remove(entry);
  }
}

void CgroupShelf::RemoveAll() {
  if (root_) os::RemoveOwnCgroup(root_.get(), own_name_);
}

}  // namespace oxherd::keeper
