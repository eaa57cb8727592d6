// One log file as the output thread sees it: where the next byte goes, when it is rotated, and what
// happens while the disk takes nothing.
//
// Bytes go to an explicit offset, the file's end as we know it. A file that was deleted or renamed
// by somebody else is made again; one that became shorter (logrotate's copytruncate) goes on at its
// end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "daemon/output/log_compression.h"
#include "daemon/output/log_lines.h"
#include "daemon/output/log_rotation.h"
#include "os/fd.h"
#include "os/log_file.h"
#include "os/log_index.h"

namespace oxherd {

// What one source may move before the others have their turn; also the size of a pipe.
constexpr std::size_t kOutputShare = std::size_t{64} * 1024;

// Both clocks, read once for many steps.
struct OutputTime {
  Instant monotonic{};
  WallTime wall{};
  [[nodiscard]] static OutputTime Now();
};

// What the output thread needs once, whatever the number of logs.
struct OutputScratch {
  os::Pipe spare;
  // Not set to zero: until it is needed it takes no memory.
  std::unique_ptr<char[]> memory = std::make_unique_for_overwrite<char[]>(kOutputShare);
  std::string changed;  // lines with their times in front

  [[nodiscard]] std::span<char> bytes() const { return {memory.get(), kOutputShare}; }
};

// One pipe: whose it is, and where in a line it stands.
struct OutputInlet {
  os::Fd pipe;
  os::LogBurst label;  // offset and times are filled in for each burst
  std::optional<LineStamper> stamper;
  bool stamper_is_new = true;    // the file says whether it stands at a line's start
  bool lost_line_begin = false;  // the line that comes now was begun while lines were dropped
  std::optional<Instant> half_line_since;  // a line without an end waits in the pipe
};

class LogDestination {
 public:
  // `trouble` is told, in words, when the disk stops and starts taking lines.
  using Trouble = std::function<void(std::string)>;
  LogDestination(std::string path, LogCompression& compression, Trouble trouble);

  void SetRules(const LogRules& rules);
  [[nodiscard]] const std::string& path() const { return path_; }
  // Opens the file if it is not open, or takes the one that is given; the error is the one in
  // OpenLogFile().
  Status Open(const OutputTime& now, os::Fd given = {});
  [[nodiscard]] const std::optional<os::FileFacts>& identity() const { return identity_; }
  [[nodiscard]] std::uint32_t rotations() const { return rotations_; }  // so far

  // Pipes that lead here now: with more than one, each is cut at line ends, so that nobody's line
  // is torn by another's.
  void AddInlet() { ++inlets_; }
  void RemoveInlet() { --inlets_; }
  // False: nothing leads here and nothing is left to be said.
  [[nodiscard]] bool is_used() const { return inlets_ > 0 || (dropped_ && dropped_->bytes > 0); }

  struct Moved {
    enum class Pipe : std::uint8_t {
      kMore,   // ask again
      kEmpty,  // nothing there now
      kEnded,  // no writer and nothing there
      kHeld,   // the beginning of a line, held back until `half_line_since` + kLineGrace
    };
    Pipe pipe = Pipe::kEmpty;
    std::size_t bytes = 0;  // taken out of the pipe
    // What they were: in the scratch, or in the file from `offset` on.
    bool in_scratch = false;
    std::uint64_t offset = 0;
  };
  // Moves one share. Never waits for the pipe; waits for the disk as long as the kernel does.
  Moved Move(OutputInlet& inlet, OutputScratch& scratch, const OutputTime& now);
  // Reads back what Move() wrote, for those who want to see it.
  std::string_view Look(const Moved& moved, OutputScratch& scratch) const;

  // When Tick() has something to do; kNever if never.
  [[nodiscard]] Instant deadline() const;
  // Tries a full disk again, removes what is too old.
  void Tick(const OutputTime& now);

  static constexpr Duration kLineGrace = Millis(20);
  static constexpr Duration kRetryDisk = Seconds(1);
  // Where nothing comes any more and only the note is to be written.
  static constexpr Duration kRetryUnusedDisk = Seconds(30);

 private:
  struct Dropped {
    int number = 0;  // errno of the first failure
    std::uint64_t lines = 0;
    std::uint64_t bytes = 0;
    Instant retry_at{};
  };

  void Close();
  void Prune(const OutputTime& now);
  Status Rotate();
  void Reach(const OutputTime& now);
  void CheckIdentity(const OutputTime& now);
  void RotateIfDue(const OutputTime& now);
  void OpenIndex(const OutputTime& now);
  [[nodiscard]] bool IsAged(const OutputTime& now);
  [[nodiscard]] bool AtLineStart() const;
  [[nodiscard]] bool MustCut(std::size_t bytes) const;
  // What to move of `bytes`, which are at the pipe's front; 0: hold them back.
  std::size_t CutFor(std::string_view bytes, OutputInlet& inlet, const OutputTime& now);
  std::size_t CutAtMaxBytes(std::string_view bytes);
  Moved MoveWhole(OutputInlet& inlet, const OutputTime& now, std::size_t limit);
  Moved MoveCut(OutputInlet& inlet, OutputScratch& scratch, const OutputTime& now);
  Moved MoveCopied(OutputInlet& inlet, OutputScratch& scratch, const OutputTime& now,
                   std::string_view bytes);
  Moved Drop(OutputInlet& inlet, OutputScratch& scratch);
  Moved DropLineEnd(OutputInlet& inlet, OutputScratch& scratch);
  Moved Refused(int number, const OutputTime& now);
  os::SystemStatus WriteAll(std::string_view bytes);
  void Note(const OutputInlet& inlet, const OutputTime& now);
  void Nudge(std::uint64_t end);
  void BeginDropping(int number, const OutputTime& now);
  void TryToGoOn(const OutputTime& now);

  std::string path_;
  LogCompression& compression_;
  Trouble trouble_;
  LogRules rules_;
  os::Fd file_;
  std::optional<os::FileFacts> identity_;
  bool is_null_ = false;  // /dev/null: no index, no rotation
  bool copies_ = false;   // a file system that takes no splice(2)
  bool rotate_now_ = false;
  std::uint32_t rotations_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t no_rotation_before_ = 0;  // a rotation failed: not again until it has grown to this
  Instant checked_at_{};
  Instant prune_at_ = kNever;
  int inlets_ = 0;
  std::uint32_t boot_ = 0;
  bool nudges_ = false;
  os::LogIndexWriter index_;
  bool index_is_opened_ = false;
  std::optional<Dropped> dropped_;
};

}  // namespace oxherd
