#include "daemon/triggers/limit_checks.h"

#include <algorithm>
#include <utility>

#include "control/describe.h"
#include "control/words.h"
#include "daemon/later.h"
#include "os/clock.h"
#include "os/process_tree.h"

namespace oxherd {
namespace {

// Ready, with limits, and alone in its slot: who is to be measured.
const Ready* WatchedIn(const Service& service, std::size_t slot) {
  if (service.wish != Wish::kRunning || slot >= service.slots.size()) return nullptr;
  if (service.policy(service.generation).type == ServiceType::kOneshot) return nullptr;
  const Slot& place = service.slots[slot];
  if (place.replacement || !place.current.is_ready()) return nullptr;
  const KeptSpec* const kept = service.Find(place.current.generation);
  if (kept == nullptr || !kept->spec->limits.are_watched()) return nullptr;
  return std::get_if<Ready>(&place.current.state);
}

template <typename Visit>
void ForEachWatched(const State& state, Visit visit) {
  for (const Service& service : state.services) {
    for (std::size_t slot = 0; slot < service.slots.size(); ++slot) {
      if (WatchedIn(service, slot) == nullptr) continue;
      if (!visit(InstanceId{service.name, static_cast<SlotIndex>(slot)})) return;
    }
  }
}

}  // namespace

LimitChecks::LimitChecks(Parts parts)
    : parts_(std::move(parts)), self_(std::make_shared<LimitChecks*>(this)) {}

LimitChecks::~LimitChecks() { *self_ = nullptr; }

void LimitChecks::OnTurn(Instant now) {
  if (next_at_ != kNever) return;
  ForEachWatched(parts_.state, [&](const InstanceId& /*id*/) {
    next_at_ = now + LimitWatch::kInterval;
    return false;
  });
}

void LimitChecks::OnTime(Instant now) {
  if (now < next_at_) return;
  if (todo_.empty()) BeginRound(now);
  while (!todo_.empty() && os::Now() - now < kBudget) {
    const InstanceId id = std::move(todo_.back());
    todo_.pop_back();
    Check(id);
  }
  if (!todo_.empty()) {
    next_at_ = now + kBreath;
  } else if (!watches_.empty()) {
    next_at_ = std::max(round_began_ + LimitWatch::kInterval, now + kBreath);
  } else {
    next_at_ = kNever;
  }
}

void LimitChecks::BeginRound(Instant now) {
  round_began_ = now;
  ForEachWatched(parts_.state, [&](InstanceId id) {
    todo_.push_back(std::move(id));
    return true;
  });
  // The pauses of those that are being replaced, or crash, are remembered.
  std::erase_if(watches_, [&](const auto& entry) {
    const Service* const service = parts_.state.Find(entry.first.service);
    return service == nullptr || entry.first.slot >= service->slots.size() ||
           !service->spec().limits.are_watched();
  });
  if (todo_.empty()) said_.clear();
  FindOrphans();
}

// What was put into the background (a double fork) is the keeper's child and says in its
// environment whose it is.
void LimitChecks::FindOrphans() {
  orphans_.clear();
  if (todo_.empty()) return;
  std::unordered_set<std::int32_t> known;
  for (const Service& service : parts_.state.services) {
    for (const Slot& slot : service.slots) {
      for (const Instance* instance :
           {&slot.current, slot.replacement ? &*slot.replacement : nullptr}) {
        const Process* const process = instance == nullptr ? nullptr : instance->process();
        if (process != nullptr) known.insert(process->pid.number());
      }
    }
  }
  for (const Pid child : os::ChildrenOf(parts_.keeper)) {
    if (known.contains(child.number())) continue;
    const Token token = os::TokenOf(child);
    if (token.is_set()) orphans_[token].push_back(child);
  }
}

void LimitChecks::Check(const InstanceId& id) {
  const Service* const service = parts_.state.Find(id.service);
  const Ready* const ready = service == nullptr ? nullptr : WatchedIn(*service, id.slot);
  if (ready == nullptr || !ready->process.pid.is_set()) return;
  const Token token = ready->process.token;
  if (asked_.contains(token)) return;
  watches_[id].Follow(token, ready->since);
  std::vector<Pid> roots = {ready->process.pid};
  if (const auto left = orphans_.find(token); left != orphans_.end()) {
    roots.insert(roots.end(), left->second.begin(), left->second.end());
  }
  os::TreeUsage tree = os::MeasureTree(std::move(roots));
  LimitSample sample{.at = os::Now(), .memory_bytes = tree.resident_bytes, .cpu = tree.cpu};
  const Limits& limits = service->spec(service->slots[id.slot].current.generation).limits;
  const bool is_over = limits.memory_bytes && sample.memory_bytes > *limits.memory_bytes;
  if (!is_over || tree.processes.size() < 2) return Judge(id, token, sample);
  // RSS counts what forked workers share for each of them; what they really take is read only now,
  // as it takes milliseconds.
  asked_.insert(token);
  parts_.run_off_loop([self = self_, &loop = parts_.loop, id, token, sample,
                       processes = std::move(tree.processes)]() mutable {
    sample.memory_bytes = os::ProportionalBytes(processes).value_or(sample.memory_bytes);
    CallLater(loop, [self, id, token, sample] {
      if (*self == nullptr) return;
      (*self)->asked_.erase(token);
      (*self)->Judge(id, token, sample);
    });
  });
}

void LimitChecks::Judge(const InstanceId& id, Token token, const LimitSample& sample) {
  const Service* const service = parts_.state.Find(id.service);
  const Ready* const ready = service == nullptr ? nullptr : WatchedIn(*service, id.slot);
  const auto watch = watches_.find(id);
  if (ready == nullptr || ready->process.token != token || watch == watches_.end()) return;
  const Limits& limits = service->spec(service->slots[id.slot].current.generation).limits;
  const std::optional<Excess> excess = watch->second.Take(limits, sample);
  if (!excess) return;
  const std::string text = control::ExcessText(*excess, limits);
  const Instant now = os::Now();
  // A rollout that is under way replaces it, or is done soon.
  if (!service->may_replace() || parts_.state.shutdown) return;
  if (!watch->second.MayReplace(now)) return SayOnce(id, watch->second, text);
  watch->second.Replaced(now);
  parts_.inbox.Put(Urgency::kRest,
                   event::Replace{.service = id.service, .slot = id.slot, .why = text});
}

void LimitChecks::SayOnce(const InstanceId& id, const LimitWatch& watch, const std::string& text) {
  if (!said_.insert(watch.token()).second) return;
  parts_.log.Warn(id.Text() + " " + text +
                  "; it was just replaced for that, so it serves on: next try in " +
                  control::ShortDuration(ToMillis(watch.not_before() - os::Now())));
}

}  // namespace oxherd
