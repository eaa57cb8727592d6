#include "daemon/output/log_destination.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <utility>

#include "os/clock.h"
#include "os/log_reader.h"

namespace oxherd {
namespace {

// How often the name is compared with the file that we write to.
constexpr Duration kCheckIdentity = Millis(1);
constexpr Duration kPruneEvery = std::chrono::hours(1);
// A file without a single line end is rotated when it is this much too long.
constexpr std::uint64_t kMaxOverlength = 2 * kOutputShare;

LogDestination::Moved PipeIs(LogDestination::Moved::Pipe pipe) { return {.pipe = pipe}; }

std::string_view Front(const OutputScratch& scratch, std::size_t size) {
  return {scratch.memory.get(), size};
}

}  // namespace

OutputTime OutputTime::Now() {
  return {.monotonic = os::Now(), .wall = std::chrono::system_clock::now()};
}

LogDestination::LogDestination(std::string path, LogCompression& compression, Trouble trouble)
    : path_(std::move(path)), compression_(compression), trouble_(std::move(trouble)) {
  static const std::uint32_t kBoot = os::BootMark();
  static const bool kNudges = !os::SpliceWakesWatchers();
  boot_ = kBoot;
  nudges_ = kNudges;
}

// ---- The file. ----

void LogDestination::SetRules(const LogRules& rules) {
  const bool has_changed = rules.access != rules_.access;
  rules_ = rules;
  if (file_ && has_changed) GrantAccess(file_, rules_);
}

Status LogDestination::Open(const OutputTime& now, os::Fd given) {
  if (file_) return {};
  os::Fd file = std::move(given);
  if (!file) {
    const Writing writing(rules_.writer);
    OXHERD_TRY_ASSIGN(file, os::OpenLogFile(path_));
  }
  OXHERD_TRY_ASSIGN(identity_, os::FactsOf(file));
  file_ = std::move(file);
  GrantAccess(file_, rules_);
  is_null_ = os::IsNullDevice(file_);
  copies_ = is_null_;  // there is nothing to read back from it
  offset_ = identity_->size;
  checked_at_ = now.monotonic;
  rotate_now_ = false;
  no_rotation_before_ = 0;
  index_ = os::LogIndexWriter();
  index_is_opened_ = false;
  if (is_null_) return {};
  prune_at_ = rules_.max_days != 0 ? now.monotonic + kPruneEvery : kNever;
  const Writing writing(rules_.writer);
  if (os::FactsOf(path_ + ".1")) Prune(now);
  compression_.LookAfter(path_, rules_);
  return {};
}

void LogDestination::Prune(const OutputTime& now) {
  const std::lock_guard lock(compression_.names());
  PruneRotated(path_, rules_, now.wall);
}

Status LogDestination::Rotate() {
  const std::lock_guard lock(compression_.names());
  return RotateLog(path_, rules_);
}

void LogDestination::Close() {
  file_.Reset();
  identity_.reset();
  index_ = os::LogIndexWriter();
}

// Makes the file ready for the next byte, or begins to drop.
void LogDestination::Reach(const OutputTime& now) {
  CheckIdentity(now);
  if (auto opened = Open(now); !opened) {
    BeginDropping(opened.error().number != 0 ? opened.error().number : EINVAL, now);
    trouble_(std::move(opened).error().message + "; its lines are dropped");
    return;
  }
  RotateIfDue(now);
}

void LogDestination::CheckIdentity(const OutputTime& now) {
  if (!file_ || is_null_ || now.monotonic - checked_at_ < kCheckIdentity) return;
  checked_at_ = now.monotonic;
  const auto facts = os::FactsOf(path_);
  if (!facts || !facts->SameFile(*identity_)) {
    Close();
    return;
  }
  if (facts->size == offset_) return;
  // Somebody made it shorter, or has written behind us: go on at its end.
  if (facts->size < offset_) index_is_opened_ = false;  // it knows more than there is
  offset_ = facts->size;
}

// Only once there is something to note: most instances never print to standard error.
void LogDestination::OpenIndex(const OutputTime& now) {
  if (index_is_opened_ || is_null_) return;
  index_is_opened_ = true;
  {
    const Writing writing(rules_.writer);
    // Without an index the log is still a log.
    auto index = os::LogIndexWriter::Open(path_, identity_->inode, offset_, now.wall);
    index_ = index ? std::move(*index) : os::LogIndexWriter();
  }
  GrantAccess(index_.file(), rules_);
}

bool LogDestination::AtLineStart() const {
  if (offset_ == 0) return true;
  std::array<char, 1> last{};
  const auto got = os::ReadAt(file_, offset_ - 1, last);
  return got && *got == 1 && last[0] == '\n';
}

bool LogDestination::IsAged(const OutputTime& now) {
  if (rules_.max_days == 0) return false;
  OpenIndex(now);
  return index_.is_open() && now.wall - index_.created() > std::chrono::days(rules_.max_days);
}

void LogDestination::RotateIfDue(const OutputTime& now) {
  if (is_null_ || offset_ == 0 || offset_ < no_rotation_before_) return;
  const bool full = rules_.max_bytes != 0 && offset_ >= rules_.max_bytes;
  if (!rotate_now_ && !full && !IsAged(now)) return;
  if (!rotate_now_ && offset_ < rules_.max_bytes + kMaxOverlength && !AtLineStart()) return;
  rotate_now_ = false;
  const Writing writing(rules_.writer);
  if (auto rotated = Rotate(); !rotated) {
    trouble_(std::move(rotated).error().message + "; it grows on");
    no_rotation_before_ = offset_ + std::max(rules_.max_bytes, std::uint64_t{1} << 20);
    return;
  }
  Close();
  ++rotations_;
  Prune(now);
  if (auto opened = Open(now); !opened) {
    BeginDropping(opened.error().number, now);
    trouble_(std::move(opened).error().message + "; its lines are dropped");
  }
}

// ---- Moving. ----

LogDestination::Moved LogDestination::Move(OutputInlet& inlet, OutputScratch& scratch,
                                           const OutputTime& now) {
  if (dropped_ && now.monotonic >= dropped_->retry_at) TryToGoOn(now);
  if (!dropped_) Reach(now);
  if (dropped_) return Drop(inlet, scratch);
  if (inlet.lost_line_begin) return DropLineEnd(inlet, scratch);
  if (inlet.stamper || copies_ || MustCut(kOutputShare)) return MoveCut(inlet, scratch, now);
  return MoveWhole(inlet, now, kOutputShare);
}

// Whether moving this much needs a look at where the lines end.
bool LogDestination::MustCut(std::size_t bytes) const {
  if (is_null_) return false;
  return inlets_ > 1 || (rules_.max_bytes != 0 && offset_ + bytes > rules_.max_bytes);
}

LogDestination::Moved LogDestination::MoveWhole(OutputInlet& inlet, const OutputTime& now,
                                                std::size_t limit) {
  // Noted before the bytes are there to be read, so that whoever follows the file knows whose they
  // are.
  if (os::BytesIn(inlet.pipe) > 0) Note(inlet, now);
  const auto moved = os::MoveToFile(inlet.pipe, file_, offset_, limit);
  if (!moved) return Refused(moved.error().number, now);
  if (*moved == 0) return PipeIs(Moved::Pipe::kEnded);
  if (nudges_) Nudge(offset_ + *moved);
  const Moved result{.pipe = Moved::Pipe::kMore, .bytes = *moved, .offset = offset_};
  offset_ += *moved;
  return result;
}

LogDestination::Moved LogDestination::Refused(int number, const OutputTime& now) {
  if (number == EAGAIN) return PipeIs(Moved::Pipe::kEmpty);
  if (number == EINVAL && !copies_) {
    copies_ = true;
  } else {
    BeginDropping(number, now);
    trouble_("write log \"" + path_ + "\": " + ErrnoText(number) + "; its lines are dropped");
  }
  return PipeIs(Moved::Pipe::kMore);
}

LogDestination::Moved LogDestination::MoveCut(OutputInlet& inlet, OutputScratch& scratch,
                                              const OutputTime& now) {
  const auto there = os::Peek(inlet.pipe, scratch.spare, scratch.bytes());
  if (!there) return Refused(there.error().number, now);
  if (*there == 0) return PipeIs(Moved::Pipe::kEnded);
  const std::size_t size = CutFor(Front(scratch, *there), inlet, now);
  if (size == 0) return PipeIs(dropped_ ? Moved::Pipe::kMore : Moved::Pipe::kHeld);
  inlet.half_line_since.reset();
  if (inlet.stamper || copies_) return MoveCopied(inlet, scratch, now, Front(scratch, size));
  const Moved moved = MoveWhole(inlet, now, size);
  if (moved.bytes != size) rotate_now_ = false;
  return moved;
}

std::size_t LogDestination::CutFor(std::string_view bytes, OutputInlet& inlet,
                                   const OutputTime& now) {
  if (rules_.max_bytes != 0 && !is_null_ && offset_ + bytes.size() > rules_.max_bytes &&
      offset_ >= no_rotation_before_) {
    const std::size_t newline = bytes.find('\n');
    const bool fits = newline != std::string_view::npos && offset_ + newline < rules_.max_bytes;
    if (!fits && offset_ != 0 && AtLineStart()) {  // this line begins the next file
      rotate_now_ = true;
      RotateIfDue(now);
      if (dropped_) return 0;
    }
    return CutAtMaxBytes(bytes);
  }
  if (inlets_ <= 1) return bytes.size();
  const std::size_t last = bytes.rfind('\n');
  if (last != std::string_view::npos) return last + 1;
  // Half a line. Its rest is probably on its way; if not, it is shown as it is.
  if (bytes.size() > kMaxOverlength / 4) return bytes.size();
  if (!inlet.half_line_since) inlet.half_line_since = now.monotonic;
  return now.monotonic - *inlet.half_line_since < kLineGrace ? 0 : bytes.size();
}

// The lines that still fit; if none does, the one that is begun; else everything.
std::size_t LogDestination::CutAtMaxBytes(std::string_view bytes) {
  if (offset_ + bytes.size() <= rules_.max_bytes) return bytes.size();
  const std::size_t room =
      offset_ < rules_.max_bytes ? static_cast<std::size_t>(rules_.max_bytes - offset_) : 0;
  std::size_t newline = room == 0 ? std::string_view::npos : bytes.substr(0, room).rfind('\n');
  if (newline == std::string_view::npos) newline = bytes.find('\n');
  if (newline == std::string_view::npos) return bytes.size();
  rotate_now_ = true;
  return newline + 1;
}

LogDestination::Moved LogDestination::MoveCopied(OutputInlet& inlet, OutputScratch& scratch,
                                                 const OutputTime& now, std::string_view bytes) {
  scratch.changed.clear();
  std::size_t taken = bytes.size();
  if (inlet.stamper) {
    if (inlet.stamper_is_new) inlet.stamper->SetAtLineStart(AtLineStart());
    inlet.stamper_is_new = false;
    taken = inlet.stamper->Stamp(bytes, now.wall, kMaxOverlength, scratch.changed);
  } else {
    scratch.changed = bytes;
  }
  const std::uint64_t begin = offset_;
  Note(inlet, now);
  if (const auto written = WriteAll(scratch.changed); !written) {
    return Refused(written.error().number, now);  // what is in the pipe stays to be dropped
  }
  // The same bytes once more, now that they are in the file.
  if (const auto gone = os::TakeFrom(inlet.pipe, scratch.bytes().first(taken)); !gone) {
    return Refused(gone.error().number, now);
  }
  if (taken != bytes.size()) rotate_now_ = false;
  return {.pipe = Moved::Pipe::kMore, .bytes = taken, .in_scratch = true, .offset = begin};
}

// All of it, or nothing: what was written of it is cut off again.
os::SystemStatus LogDestination::WriteAll(std::string_view bytes) {
  std::uint64_t end = offset_;
  while (!bytes.empty()) {
    const auto written = os::WriteAt(file_, end, bytes);
    if (!written || *written == 0) {
      const int number = written ? ENOSPC : written.error().number;
      (void)os::CutTo(file_, offset_);
      return std::unexpected(os::Errno{number});
    }
    end += *written;
    bytes.remove_prefix(*written);
  }
  offset_ = end;
  return {};
}

// Writes the last byte once more: splice(2) alone does not wake those who watch the file (tail -f)
// on older kernels.
void LogDestination::Nudge(std::uint64_t end) {
  std::array<char, 1> last{};
  const auto got = os::ReadAt(file_, end - 1, last);
  if (got && *got == 1) (void)os::WriteAt(file_, end - 1, std::string_view(last.data(), 1));
}

void LogDestination::Note(const OutputInlet& inlet, const OutputTime& now) {
  OpenIndex(now);
  os::LogBurst burst = inlet.label;
  burst.offset = offset_;
  burst.boot = boot_;
  burst.wall = now.wall;
  burst.monotonic = now.monotonic;
  index_.Note(burst);
}

std::string_view LogDestination::Look(const Moved& moved, OutputScratch& scratch) const {
  if (moved.in_scratch) return Front(scratch, moved.bytes);
  const auto got = os::ReadAt(file_, moved.offset, scratch.bytes().first(moved.bytes));
  return Front(scratch, got ? *got : 0);
}

// ---- A disk that takes nothing. ----

void LogDestination::BeginDropping(int number, const OutputTime& now) {
  if (!dropped_) dropped_ = Dropped{.number = number};
  dropped_->retry_at = now.monotonic + kRetryDisk;
}

LogDestination::Moved LogDestination::Drop(OutputInlet& inlet, OutputScratch& scratch) {
  const auto got = os::TakeFrom(inlet.pipe, scratch.bytes());
  if (!got) return PipeIs(Moved::Pipe::kEmpty);
  if (*got == 0) return PipeIs(Moved::Pipe::kEnded);
  const std::string_view bytes = Front(scratch, *got);
  // A line is counted when its first byte is dropped.
  const auto begun =
      std::count(bytes.begin(), std::prev(bytes.end()), '\n') + (inlet.lost_line_begin ? 0 : 1);
  dropped_->lines += static_cast<std::uint64_t>(begun);
  dropped_->bytes += bytes.size();
  inlet.lost_line_begin = bytes.back() != '\n';
  inlet.half_line_since.reset();
  return {.pipe = Moved::Pipe::kMore, .bytes = *got, .in_scratch = true};
}

// There is room again, but this line has lost its beginning: its rest goes too.
LogDestination::Moved LogDestination::DropLineEnd(OutputInlet& inlet, OutputScratch& scratch) {
  const auto there = os::Peek(inlet.pipe, scratch.spare, scratch.bytes());
  if (!there) return PipeIs(Moved::Pipe::kEmpty);
  if (*there == 0) return PipeIs(Moved::Pipe::kEnded);
  const std::size_t newline = Front(scratch, *there).find('\n');
  const bool ends = newline != std::string_view::npos;
  const auto got = os::TakeFrom(inlet.pipe, scratch.bytes().first(ends ? newline + 1 : *there));
  if (!got) return PipeIs(Moved::Pipe::kEmpty);
  inlet.lost_line_begin = !ends;
  return {.pipe = Moved::Pipe::kMore, .bytes = *got, .in_scratch = true};
}

void LogDestination::TryToGoOn(const OutputTime& now) {
  dropped_->retry_at = now.monotonic + (inlets_ > 0 ? kRetryDisk : kRetryUnusedDisk);
  CheckIdentity(now);
  if (!Open(now)) return;
  std::string note = AtLineStart() ? "" : "\n";
  note += "[oxherd] " + std::to_string(dropped_->lines) + " lines (" +
          std::to_string(dropped_->bytes) +
          " bytes) are missing here: " + ErrnoText(dropped_->number) + "\n";
  if (dropped_->bytes != 0 && !WriteAll(note)) return;
  trouble_("log \"" + path_ + "\" is written again; " + std::to_string(dropped_->lines) +
           " lines were dropped: " + ErrnoText(dropped_->number));
  dropped_.reset();
}

Instant LogDestination::deadline() const { return dropped_ ? dropped_->retry_at : prune_at_; }

void LogDestination::Tick(const OutputTime& now) {
  if (dropped_ && now.monotonic >= dropped_->retry_at) TryToGoOn(now);
  if (now.monotonic < prune_at_) return;
  Prune(now);
  prune_at_ = now.monotonic + kPruneEvery;
}

}  // namespace oxherd
