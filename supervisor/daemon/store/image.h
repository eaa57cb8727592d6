// The image: the whole core state in a memfd that outlives the daemon, for its successor to go on.
//
// The keeper holds the memfd; the daemon maps it. It has two halves. Save() brings the half that is
// not in use up to date - only records whose service changed are encoded again - and then makes it
// the one in use with a single store, so a daemon may be killed between any two instructions: its
// successor finds the state of the last Save() that was finished. A half whose checksums do not
// hold is never used. No fsync: the image is for the death of the daemon, state.json for that of
// the machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "core/state.h"
#include "os/fd.h"

namespace oxherd {

// What one half may take; a state that needs more is not saved, and Save() says so.
constexpr std::uint64_t kMaxHalfBytes = std::uint64_t{128} << 20;
constexpr std::size_t kMaxImageServices = 8191;

class Image {
 public:
  // Maps the memfd; empty or not. Memory is taken as it is needed. Source: mmap(2).
  [[nodiscard]] static Result<Image> Open(os::Fd memfd);

  Image(Image&& other) noexcept;
  Image& operator=(Image&& other) noexcept;
  ~Image();

  // The newest whole state in it; nothing where none was ever saved. An error where there was one
  // and no half holds.
  [[nodiscard]] Result<std::optional<State>> Load();

  // Makes it what Load() will find. Costs as much as what changed since the last two calls. When it
  // fails (out of memory, too large), what Load() finds is nothing: an old state would be a lie;
  // the next call tries again.
  [[nodiscard]] Status Save(const State& state);

 private:
  // What a half holds, as far as this process knows; the revision decides what is written.
  struct Known {
    std::uint64_t revision = 0;
    std::uint64_t mark = 0;  // of the entry, as it is part of Half::marks
  };
  struct Half {
    std::vector<Known> known;  // [0] is the common record; empty: the half's contents do not count
    std::uint64_t marks = 0;   // all marks, combined
    std::uint64_t used = 0;    // bytes of the heap that were given to records
    std::uint64_t wasted = 0;  // those whose record has moved
    // Where the memory ends that was reserved for the directory and for the heap.
    std::uint64_t directory_end = 0;
    std::uint64_t heap_end = 0;
  };

  explicit Image(os::Fd memfd, std::byte* base) : memfd_(std::move(memfd)), base_(base) {}

  [[nodiscard]] std::byte* At(std::size_t half) const;
  [[nodiscard]] std::optional<State> LoadHalf(std::size_t half) const;
  [[nodiscard]] bool IsSaved(const State& state) const;
  void NoteServices(const State& state);
  [[nodiscard]] Status Write(const State& state, std::size_t half);
  [[nodiscard]] Status Put(std::size_t half, std::size_t record, std::string_view bytes);
  [[nodiscard]] Status Reserve(std::size_t half, std::uint64_t end, std::uint64_t& reserved) const;
  void Seal(std::size_t half, std::size_t count);
  void Void();

  os::Fd memfd_;
  std::byte* base_ = nullptr;
  std::array<Half, 2> halves_;
  std::size_t current_ = 0;  // the half that Load() would use
  std::uint64_t sequence_ = 0;
  std::vector<std::string> names_;  // of the services, at the last Save()
  std::string common_;              // encoded, as it is being saved
  std::string scratch_;
};

}  // namespace oxherd
