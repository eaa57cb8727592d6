#include "daemon/output/log_pace.h"

#include <algorithm>

namespace oxherd {
namespace {

// A pipe counts as full when it gives this much at once: small writes leave part of each page free.
constexpr std::size_t kFull = OutputPace::kUsualRoom / 2;
// One that is found full so often, never longer apart than this, has a writer that waits for us.
constexpr int kTimesFull = 16;
constexpr Duration kForgetFull = Millis(20);
// A nap in which a pipe fills beyond the first was too long; below the second it may be longer.
constexpr std::size_t kTooFullPercent = 50;
constexpr std::size_t kHardlyFullPercent = 12;

}  // namespace

void OutputPace::Begin(OutputFlow& flow, const os::Fd& pipe, Instant now) {
  const auto room = os::PipeRoom(pipe.get());
  if (!room || *room <= kUsualRoom) return;
  flow.is_wide = true;
  wide_.push_back({.id = flow.id, .until = now + kStayWide});
}

void OutputPace::OnMoved(OutputFlow& flow, const os::Fd& pipe, std::size_t bytes, Instant now) {
  if (flow.nap != naps_) flow.gathered = 0;
  flow.nap = naps_;
  flow.gathered += bytes;
  const std::size_t room = flow.is_wide ? kWideRoom : kUsualRoom;
  fullest_ = std::max(fullest_, flow.gathered * 100 / room);
  if (bytes >= kFull) is_more_left_ = true;

  if (flow.is_wide) {
    if (flow.gathered <= kUsualRoom) return;
    const auto wide = std::ranges::find(wide_, flow.id, &Wide::id);
    if (wide != wide_.end()) wide->until = now + kStayWide;
  } else if (bytes >= kFull) {
    if (now - flow.full_at > kForgetFull) flow.times_full = 0;
    flow.full_at = now;
    if (++flow.times_full >= kTimesFull) Widen(flow, pipe, now);
  }
}

void OutputPace::Widen(OutputFlow& flow, const os::Fd& pipe, Instant now) {
  flow.times_full = 0;
  if (wide_.size() >= kMostWide) return;
  // EPERM: this user has as much in pipes as it may have. Then it stays as it is.
  if (!os::SetPipeRoom(pipe.get(), kWideRoom)) return;
  flow.is_wide = true;
  nap_ = kLongestNap;
  wide_.push_back({.id = flow.id, .until = now + kStayWide});
}

void OutputPace::Narrow(OutputFlow& flow, const os::Fd& pipe, Instant now) {
  const auto wide = std::ranges::find(wide_, flow.id, &Wide::id);
  if (wide == wide_.end()) return;
  if (!os::SetPipeRoom(pipe.get(), kUsualRoom)) {  // EBUSY: it holds too much
    wide->until = now + kStayWide;
    return;
  }
  flow.is_wide = false;
  wide_.erase(wide);
}

void OutputPace::End(OutputFlow& flow, const os::Fd& pipe, Instant now) {
  Narrow(flow, pipe, now);
  std::erase_if(wide_, [&](const Wide& wide) { return wide.id == flow.id; });
}

Duration OutputPace::Nap() {
  if (fullest_ >= kTooFullPercent) nap_ = std::max(nap_ / 2, kShortestNap / 2);
  if (is_more_left_) {
    is_more_left_ = false;
    return {};
  }
  if (fullest_ <= kHardlyFullPercent) nap_ = std::min(nap_ * 2, kLongestNap);
  fullest_ = 0;
  ++naps_;
  return nap_ < kShortestNap ? Duration{} : nap_;
}

Instant OutputPace::deadline() const {
  Instant next = kNever;
  for (const Wide& wide : wide_) next = std::min(next, wide.until);
  return next;
}

std::vector<std::uint64_t> OutputPace::Due(Instant now) const {
  std::vector<std::uint64_t> ids;
  for (const Wide& wide : wide_) {
    if (wide.until <= now) ids.push_back(wide.id);
  }
  return ids;
}

}  // namespace oxherd
