// Checks of requests: 14, and that what a final reply says is so.
#include <algorithm>

#include "tests/sim/checker.h"
#include "tests/sim/random.h"

namespace oxherd::sim {
namespace {

std::uint64_t Digest(const RequestRecord& record) {
  std::uint64_t digest = record.items.size();
  for (const RequestItem& item : record.items) {
    digest = Mix(digest, static_cast<std::uint64_t>(item.outcome) * 31U +
                             static_cast<std::uint64_t>(item.failure.kind));
  }
  return digest;
}

std::size_t CountReplies(const Actions& actions, RequestId id) {
  std::size_t replies = 0;
  for (const Action& action : actions) {
    const auto* reply = std::get_if<action::Reply>(&action);
    replies += reply != nullptr && reply->request == id ? 1U : 0U;
  }
  return replies;
}

// Everything that lived when the request was accepted is gone, to the last process of its tree.
bool IsStopped(const Moment& moment, const RequestItem& item) {
  return std::ranges::none_of(moment.kernel.processes(), [&](const Process& process) {
    return process.is_alive() && process.kind == ProcessKind::kInstance &&
           process.service == ServiceIndex(item.service) && process.token < item.limit &&
           (!item.slot || *item.slot == process.slot);
  });
}

bool IsStarted(const Moment& moment, const RequestItem& item) {
  const std::size_t index = ServiceIndex(item.service);
  const ServiceView& service = moment.after.services[index];
  const bool reloads = service.is_rolling && service.began == moment.now;
  for (const InstanceView& one : moment.after.instances()) {
    if (one.service != index || one.is_replacement) continue;
    if (item.slot && *item.slot != one.slot) continue;
    // A reload that was queued has begun in this very step.
    if (reloads && one.generation == service.target) continue;
    if (IsAddedByScale(moment, index, one.slot)) continue;
    const SlotHistory& slot = moment.ledger.services[index].slots[one.slot % kMaxSlots];
    const TokenHistory* token = moment.ledger.Find(one.token);
    const bool ready_now = one.is_ready() || (token != nullptr && token->ready_at != kNever);
    const bool stopped_alone = one.kind == StateKind::kStopped;
    if (slot.reached != Reached::kReady && !ready_now && !one.ended_well && !stopped_alone) {
      return false;
    }
  }
  return true;
}

// Every process that was not told to go is of the generation that the reply names.
bool IsReloaded(const Moment& moment, const RequestItem& item) {
  const std::size_t index = ServiceIndex(item.service);
  for (const InstanceView& one : moment.after.instances()) {
    if (one.service != index || !one.token.is_set() || one.is_leaving()) continue;
    if (one.generation < item.generation && !one.is_replacement) return false;
  }
  return true;
}

// Nobody who reloads itself still waits for its signal.
bool AreTold(const Moment& moment, const RequestItem& item) {
  const std::size_t index = ServiceIndex(item.service);
  return std::ranges::none_of(moment.after.instances(), [&](const InstanceView& one) {
    const TokenHistory* token = moment.ledger.Find(one.token);
    const bool is_up = one.kind == StateKind::kReady || one.kind == StateKind::kUnhealthy;
    return one.service == index && is_up && token != nullptr && token->is_untold;
  });
}

bool IsRolledBack(const Moment& moment, const RequestItem& item) {
  if (item.failure.old_lost) return true;  // then the reply says so
  const std::size_t index = ServiceIndex(item.service);
  return std::ranges::none_of(moment.after.instances(), [&](const InstanceView& one) {
    return one.service == index && one.token.is_set() && !one.is_leaving() &&
           one.generation == item.tried;
  });
}

// What has just been decided about an item is so.
Violation CheckTruth(const Moment& moment, const RequestRecord& record, RequestHistory& history) {
  for (std::size_t i = 0; i < record.items.size() && i < 32; ++i) {
    const RequestItem& item = record.items[i];
    const std::uint32_t bit = 1U << i;
    if (!IsFinal(item.outcome) || (history.final_items & bit) != 0) continue;
    history.final_items |= bit;
    switch (item.outcome) {
      case Outcome::kStopped:
        if (!IsStopped(moment, item)) {
          return {Invariant::kReplyIsTrue, "the reply says stopped, and a process is alive"};
        }
        break;
      case Outcome::kStarted:
        if (!IsStarted(moment, item)) {
          return {Invariant::kReplyIsTrue, "the reply says started, and an instance is not Ready"};
        }
        break;
      case Outcome::kReloaded:
        if (!IsReloaded(moment, item)) {
          return {Invariant::kReplyIsTrue, "the reply says reloaded, and an old one serves"};
        }
        if (!AreTold(moment, item)) {
          return {Invariant::kReplyIsTrue, "the reply says reloaded, and one was never told"};
        }
        break;
      case Outcome::kRolledBack:
        if (!IsRolledBack(moment, item)) {
          return {Invariant::kReplyIsTrue, "the reply says rolled back, and a new one serves"};
        }
        break;
      case Outcome::kQueued:
      case Outcome::kRunning:
      case Outcome::kUnchanged:
      case Outcome::kDone:
      case Outcome::kFailed:
      case Outcome::kSkipped:
        break;
    }
  }
  return {};
}

}  // namespace

Violation CheckOneReply(const Moment& moment) {
  for (const Action& action : moment.actions) {
    const auto* reply = std::get_if<action::Reply>(&action);
    if (reply == nullptr || !reply->request.is_set()) continue;
    const RequestRecord* record = moment.state.Find(reply->request);
    if (record == nullptr || !record->finished) {
      return {Invariant::kOneReply, "a reply without an outcome"};
    }
  }
  for (const RequestRecord& record : moment.state.requests) {
    RequestHistory* history = moment.ledger.Find(record.id);
    if (history == nullptr) continue;
    const std::size_t replies = CountReplies(moment.actions, record.id);
    if (history->finished) {
      if (!record.finished) return {Invariant::kOneReply, "a finished request was opened again"};
      if (replies > 0) return {Invariant::kOneReply, "a second final reply"};
      if (Digest(record) != history->outcome) {
        return {Invariant::kOneReply, "an outcome changed after the reply"};
      }
      continue;
    }
    if (record.finished != (replies == 1)) {
      return {Invariant::kOneReply, "not one reply for a request that ended"};
    }
    if (const Violation violation = CheckTruth(moment, record, *history)) return violation;
    if (!record.finished) continue;
    if (!std::ranges::all_of(record.items,
                             [](const RequestItem& item) { return IsFinal(item.outcome); })) {
      return {Invariant::kOneReply, "a final reply with something still to do"};
    }
    history->finished = true;
    history->finished_at = moment.now;
    history->outcome = Digest(record);
  }
  for (RequestHistory& history : moment.ledger.requests) {
    if (history.forgotten || moment.state.Find(history.id) != nullptr) continue;
    if (!history.finished || moment.now < history.finished_at + kKeepOutcome) {
      return {Invariant::kOneReply, "a request was forgotten"};
    }
    history.forgotten = true;
  }
  return {};
}

}  // namespace oxherd::sim
