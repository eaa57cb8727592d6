// The cgroup directories of the instances: one each while it lives, kept on the shelf for the next
// start of the same slot, removed when nobody has wanted them for a while.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "os/cgroup.h"
#include "os/fd.h"

namespace oxherd::keeper {

class CgroupShelf {
 public:
  // Number of one directory on the shelf.
  using Spot = std::uint32_t;
  static constexpr Spot kNoSpot = ~Spot{0};
  static constexpr std::size_t kMaxName = 127;
  // How long an unused directory is kept; longer than the longest usual back-off.
  static constexpr Duration kKeptFor = Seconds(60);

  // A shelf for `most` directories inside a new one in our own cgroup; one without any where that
  // cannot be had. Allocates; nothing after it does. `left` is the root of an earlier keeper's: it
  // is gone on with, if it is there.
  CgroupShelf(std::uint32_t most, Pid keeper, const std::string& left = {});

  [[nodiscard]] bool is_available() const { return static_cast<bool>(root_); }

  // A directory for this token, named as asked if that name is free. kNoSpot: none to be had, go
  // without.
  [[nodiscard]] Spot Take(std::string_view name, Token token);
  // The directory of a process that an earlier keeper put there; kNoSpot: it is not to be had.
  [[nodiscard]] Spot Inherit(std::string_view name);
  // The tree is empty: the directory may be taken again.
  void Return(Spot spot, Instant now);

  // Of its root; empty: there is none.
  [[nodiscard]] std::string path() const;
  [[nodiscard]] std::string_view name(Spot spot) const { return entries_[spot].name.data(); }
  [[nodiscard]] int directory(Spot spot) const { return entries_[spot].directory.get(); }
  [[nodiscard]] int events(Spot spot) const { return entries_[spot].events.get(); }
  [[nodiscard]] bool IsEmpty(Spot spot) const;
  // SIGKILL to all in it. It is not used again afterwards.
  [[nodiscard]] bool Kill(Spot spot);
  // Whether the OOM killer has struck in it since it was taken.
  [[nodiscard]] bool SawOomKill(Spot spot) const;

  // Removes what has been unused for kKeptFor.
  void Tidy(Instant now);
  // Removes everything that is empty; for the end.
  void RemoveAll();

 private:
  struct Entry {
    std::array<char, kMaxName + 1> name{};  // empty: the spot is free
    bool in_use = false;
    // False: a second directory for a name, one that was killed, or one that may have limits;
    // removed when it is returned. As long as that fails (somebody has made a cgroup in it) it
    // stays in use, and is tried again.
    bool kept = true;
    bool is_left_over = false;
    Instant unused_since{};
    std::uint64_t oom_kills_before = 0;
    os::Fd directory;
    os::Fd events;
  };
  [[nodiscard]] Spot FindName(std::string_view name) const;
  [[nodiscard]] Spot Make(std::string_view name);
  bool Remove(Entry& entry);

  std::string own_name_;
  std::uint32_t most_;
  os::Fd root_;
  std::vector<Entry> entries_;
};

}  // namespace oxherd::keeper
