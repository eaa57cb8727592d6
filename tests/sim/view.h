// View: what the checks look at in a state, small enough to be taken before and after every event.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ids.h"
#include "base/time.h"
#include "core/instance.h"
#include "core/state.h"
#include "tests/sim/scenario.h"

namespace oxherd::sim {

struct InstanceView {
  Token token;  // of its process; not set: it has none
  Generation generation;
  StateKind kind = StateKind::kStopped;
  std::uint8_t service = 0;
  std::uint8_t slot = 0;
  bool is_replacement = false;
  bool has_pid = false;
  bool ended_well = false;         // kExited, and not for a failure
  bool may_take_for_ever = false;  // a oneshot without ready_timeout; shown as unkillable
  std::uint16_t crashes = 0;
  std::optional<SocketNumber> socket;
  Instant deadline = kNever;  // of the state itself, not of a health question

  [[nodiscard]] bool is_leaving() const {
    return kind == StateKind::kStopping || kind == StateKind::kKilling;
  }
  [[nodiscard]] bool is_ready() const { return kind == StateKind::kReady; }
};

struct HookView {
  Token token;
  bool killed = false;
};

struct ServiceView {
  bool is_there = false;
  bool wanted = false;
  bool deleting = false;
  bool stops_in_turn = false;
  Generation generation;
  Generation last_generation;
  std::uint64_t revision = 0;
  std::uint16_t instances = 0;  // as its running definition says
  std::uint16_t slots = 0;
  std::uint16_t ready = 0;  // slots with a Ready one; a second one, on trial, adds nothing
  std::uint16_t hooks = 0;
  Instant due = kNever;  // its earliest deadline, health questions included
  bool is_rolling = false;
  Rollout::Phase phase = Rollout::Phase::kForward;
  Cause cause = Cause::kPerson;
  ReloadStrategy strategy = ReloadStrategy::kStartFirst;
  Generation from;
  Generation target;
  Instant began;
  bool gave_up = false;  // on the way back: a slot keeps the new instance
  bool has_next = false;
  Generation ended_target;  // of last_reload
  Instant ended = kNever;
  bool old_is_lost = false;  // last_reload left two generations

  [[nodiscard]] Generation goal() const { return phase == Rollout::Phase::kBack ? from : target; }
};

struct View {
  std::array<ServiceView, kMaxServices> services;
  std::array<InstanceView, 64> table;
  std::size_t count = 0;
  std::array<HookView, 32> hook_table;
  std::size_t hook_count = 0;
  Token next_token;
  bool shutting_down = false;

  [[nodiscard]] std::span<const InstanceView> instances() const {
    return std::span(table).first(count);
  }
  [[nodiscard]] std::span<const HookView> hooks() const {
    return std::span(hook_table).first(hook_count);
  }
  [[nodiscard]] const InstanceView* Find(Token token) const;
  [[nodiscard]] const InstanceView* Find(std::size_t service, std::size_t slot,
                                         bool is_replacement) const;
};

void Look(const State& state, View& view);

}  // namespace oxherd::sim
