#include "tests/sim/ledger.h"

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace oxherd::sim {
namespace {

// A scenario that gives out more tokens runs in circles.
constexpr std::uint64_t kMostTokens = 200000;

// A command gives everything a new chance.
void Command(ServiceHistory& service) {
  for (GenerationHistory& generation : service.generations) generation.failed = false;
  for (SlotHistory& slot : service.slots) {
    slot.fresh = true;
    slot.restarts = 0;
    slot.last_delay = {};
  }
}

// Down, by command: dependents have to wait for it again.
void ComesDown(ServiceHistory& service) {
  for (SlotHistory& slot : service.slots) slot.reached = Reached::kNothing;
}

void ComesUp(ServiceHistory& service, Verb by) {
  service.wanted = ServiceHistory::Wanted::kRunning;
  service.started_by = by;
  service.deleted = false;
  service.bound = 0xFF;
  for (SlotHistory& slot : service.slots) slot.spawned_since_start = false;
}

void Start(ServiceHistory& service) {
  Command(service);
  const bool new_or_stopped =
      service.generations.empty() || service.wanted == ServiceHistory::Wanted::kStopped;
  if (new_or_stopped) ComesUp(service, Verb::kStart);
}

// One service that a command names; `whole` if not just one of its instances.
void Command(ServiceHistory& service, const event::Request& request, bool whole) {
  Command(service);
  for (SlotHistory& slot : service.slots) {
    if (request.verb == Verb::kRestart) slot.is_due = true;
    if (request.verb == Verb::kStop || request.verb == Verb::kDelete) slot.is_due = false;
  }
  switch (request.verb) {
    case Verb::kStop:
    case Verb::kDelete:
      if (service.generations.empty()) return;  // nobody knows it
      service.forced = service.forced || request.forced;
      if (!whole) return;
      service.wanted = ServiceHistory::Wanted::kStopped;
      service.deleted = service.deleted || request.verb == Verb::kDelete;
      return ComesDown(service);
    case Verb::kRestart:
      if (!whole) return Start(service);
      ComesDown(service);
      return ComesUp(service, Verb::kRestart);
    case Verb::kReload:
    case Verb::kApply:
      if (service.generations.empty()) {
        ComesUp(service, Verb::kStart);
        service.wanted = ServiceHistory::Wanted::kUnknown;  // when its turn comes, if it does
      } else if (service.deleted) {
        service.wanted = ServiceHistory::Wanted::kUnknown;
      }
      return;
    case Verb::kNone:
    case Verb::kStart:
    case Verb::kWait:
    case Verb::kShutdown:
    case Verb::kBoot:
    case Verb::kReplace:
    case Verb::kDrain:
    case Verb::kResume:
    case Verb::kReset:
    case Verb::kScale:
      return;
  }
}

}  // namespace

GenerationHistory& ServiceHistory::At(Generation generation) {
  if (generations.size() <= generation.number()) generations.resize(generation.number() + 1U);
  return generations[generation.number()];
}

void Ledger::Reset() {
  tokens.clear();
  highest = Token();
  for (ServiceHistory& service : services) {
    service.wanted = ServiceHistory::Wanted::kUnknown;
    service.forced = false;
    service.is_mixed = false;
    service.deleted = false;
    service.was_refused = false;
    service.started_by = Verb::kNone;
    service.slots = {};
    service.generations.clear();
  }
  requests.clear();
  leaving = false;
  boots = false;
  image_was_lost = false;
}

TokenHistory& Ledger::At(Token token) {
  OXHERD_CHECK(token.number() < kMostTokens, "a scenario that never ends");
  if (tokens.size() <= token.number()) tokens.resize(token.number() + 1U);
  return tokens[token.number()];
}

const TokenHistory* Ledger::Find(Token token) const {
  if (token.number() >= tokens.size() || !tokens[token.number()].known) return nullptr;
  return &tokens[token.number()];
}

RequestHistory* Ledger::Find(RequestId id) {
  const auto found = std::ranges::find(requests, id, &RequestHistory::id);
  return found == requests.end() ? nullptr : &*found;
}

void Ledger::End(TokenHistory& token, Instant now) {
  if (token.ended_at == kNever) token.ended_at = now;
}

void Ledger::Learn(const Event& event, Instant now) {
  if (const auto* started = std::get_if<event::Started>(&event)) {
    TokenHistory& token = At(started->token);
    if (token.started_at == kNever) token.started_at = now;
  } else if (const auto* failed = std::get_if<event::SpawnFailed>(&event)) {
    TokenHistory& token = At(failed->token);
    token.failed = true;
    token.no_crash = token.no_crash || failed->number == ETXTBSY || failed->number == ENOENT ||
                     failed->number == EACCES || failed->number == ENOEXEC;
    End(token, now);
  } else if (const auto* exited = std::get_if<event::Exited>(&event)) {
    At(exited->token).exited = true;
    At(exited->token).exited_well = exited->status.success();
    End(At(exited->token), now);
  } else if (const auto* gone = std::get_if<event::Gone>(&event)) {
    At(gone->token).gone = true;
    End(At(gone->token), now);
  } else if (const auto* probed = std::get_if<event::Probed>(&event)) {
    TokenHistory& token = At(probed->token);
    const bool good = probed->outcome == ProbeOutcome::kGood;
    if (probed->outcome == ProbeOutcome::kVoid) return;
    token.good = good ? static_cast<std::uint16_t>(token.good + 1) : std::uint16_t{0};
    token.bad = good ? std::uint16_t{0} : static_cast<std::uint16_t>(token.bad + 1);
  } else if (const auto* line = std::get_if<event::LogMatched>(&event)) {
    At(line->token).line_matched = true;
  } else if (const auto* notified = std::get_if<event::Notified>(&event)) {
    At(notified->token).line_matched = true;
  } else if (const auto* opened = std::get_if<event::PoolOpened>(&event)) {
    // Its turn to start had come: that counts, though nothing was spawned.
    if (opened->error.empty()) return;
    for (SlotHistory& slot : services[ServiceIndex(opened->service)].slots) {
      slot.spawned_since_start = true;
    }
  } else if (const auto* refused = std::get_if<event::AddressRefused>(&event)) {
    services[At(refused->token).service].was_refused = true;
  } else if (const auto* drained = std::get_if<event::Drained>(&event)) {
    At(drained->token).drained = true;
  } else if (const auto* signalled = std::get_if<event::Signalled>(&event)) {
    At(signalled->token).is_untold = false;
  } else if (const auto* schedule = std::get_if<event::Schedule>(&event)) {
    for (SlotHistory& slot : services[ServiceIndex(schedule->service)].slots) {
      const TokenHistory* last = Find(slot.last);
      if (last != nullptr && !last->gone && !last->failed) continue;  // its last run still lasts
      slot.is_due = true;
      slot.fresh = true;
    }
  } else if (const auto* request = std::get_if<event::Request>(&event)) {
    LearnRequest(*request, now);
  } else if (const auto* boot = std::get_if<event::Boot>(&event)) {
    for (const auto& wish : boot->wishes) {
      ServiceHistory& service = services[ServiceIndex(wish.spec->name)];
      service.wanted =
          wish.wanted ? ServiceHistory::Wanted::kRunning : ServiceHistory::Wanted::kStopped;
      service.started_by = Verb::kBoot;
      Command(service);
    }
  }
}

void Ledger::Learn(const World& world, Instant now) {
  for (const WorldRecord& record : world) {
    TokenHistory& token = At(record.token);
    if (record.pid.is_set() && token.started_at == kNever) token.started_at = now;
    if (record.spawn_failed) token.failed = true;
    if (record.exit) token.exited = true;
    if (record.exit) token.exited_well = record.exit->success();
    if (record.gone) token.gone = true;
    if (record.exit || record.gone || record.spawn_failed) End(token, now);
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool there = std::ranges::find(world, Token(i), &WorldRecord::token) != world.end();
    if (!there) tokens[i].gone = true;
  }
}

void Ledger::ForgetImage() {
  for (ServiceHistory& service : services) service = ServiceHistory{};
  requests.clear();
  image_was_lost = highest.is_set();
}

void Ledger::LearnRequest(const event::Request& request, Instant now) {
  if (request.id.is_set()) {
    const RequestHistory* known = Find(request.id);
    if (known != nullptr && !known->forgotten) return;  // the same id twice is one request
    std::erase_if(requests, [&](const RequestHistory& one) { return one.id == request.id; });
    std::uint8_t bits = 0;
    for (const std::string& name : request.names) {
      bits = static_cast<std::uint8_t>(bits | (1U << ServiceIndex(name)));
    }
    requests.push_back({.id = request.id, .verb = request.verb, .services = bits, .accepted = now});
  }
  if (request.verb == Verb::kShutdown) {
    for (ServiceHistory& service : services) service.forced = service.forced || request.forced;
    return;
  }
  if (request.verb == Verb::kWait) return;
  if (request.verb == Verb::kStart) return LearnStart(request);
  std::uint8_t bound = 0;  // a restart alone waits for what is there anyway
  for (std::size_t i = 0; i < kMaxServices; ++i) {
    const bool wanted = services[i].wanted == ServiceHistory::Wanted::kRunning;
    bound = static_cast<std::uint8_t>(bound | (wanted ? 1U << i : 0U));
  }
  for (const std::string& name : request.names) {
    ServiceHistory& service = services[ServiceIndex(name)];
    Command(service, request, name.size() == 1);
    if (request.verb == Verb::kRestart) service.bound = bound;
  }
}

// It also starts what is missing.
void Ledger::LearnStart(const event::Request& request) {
  std::vector<std::string> names = request.names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string name = names[i].substr(0, 1);
    Start(services[ServiceIndex(name)]);
    for (const SpecPtr& spec : request.specs) {
      if (spec->name != name) continue;
      for (const Dependency& need : spec->policy.depends_on) names.push_back(need.service);
    }
  }
}

void Ledger::LearnTurns(const State& state) {
  for (const RequestRecord& record : state.requests) {
    RequestHistory* history = Find(record.id);
    if (history == nullptr) continue;
    history->took_turn = false;
    if (history->finished) continue;
    for (std::size_t i = 0; i < record.items.size() && i < 32; ++i) {
      const RequestItem& item = record.items[i];
      const std::uint32_t bit = 1U << i;
      if (item.outcome == Outcome::kQueued || (history->begun_items & bit) != 0) continue;
      history->begun_items |= bit;
      history->took_turn = true;
      if (item.verb == Verb::kStart) Command(services[ServiceIndex(item.service)]);
    }
  }
}

void Ledger::LearnSpecs(const State& state) {
  for (const Service& service : state.services) {
    ServiceHistory& history = services[ServiceIndex(service.name)];
    for (const KeptSpec& kept : service.specs) {
      GenerationHistory& generation = history.At(kept.generation);
      if (generation.known) continue;
      generation.known = true;
      generation.version = kept.spec->source_line;
    }
  }
}

}  // namespace oxherd::sim
