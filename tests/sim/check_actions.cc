// Checks of what the core decides, action by action: 3, 4, 6, 12, 13, 16, 19, 21 and the start
// bound.
#include <algorithm>

#include "tests/sim/checker.h"

namespace oxherd::sim {
namespace {

template <typename T, typename F>
Violation ForEach(const Moment& moment, F check) {
  for (const Action& action : moment.actions) {
    if (const auto* one = std::get_if<T>(&action)) {
      if (const Violation violation = check(*one)) return violation;
    }
  }
  return {};
}

const event::Request* RequestOf(const Moment& moment) {
  return moment.event == nullptr ? nullptr : std::get_if<event::Request>(moment.event);
}

// A reload or apply that is under way names the service: its turn may have come.
bool IsQueued(const Moment& moment, std::size_t service) {
  return std::ranges::any_of(moment.ledger.requests, [service](const RequestHistory& request) {
    return !request.finished && ((request.services >> service) & 1U) != 0;
  });
}

bool Names(const event::Request& request, std::size_t service) {
  return std::ranges::any_of(
      request.names, [service](const std::string& name) { return ServiceIndex(name) == service; });
}

// The command names it; or the turn of another one that does has come in the same step: what that
// one waited for was due at this very instant.
bool IsNamed(const Moment& moment, const event::Request& request, std::size_t service) {
  if (Names(request, service)) return true;
  return std::ranges::any_of(moment.ledger.requests, [&](const RequestHistory& other) {
    return other.took_turn && other.id != request.id && ((other.services >> service) & 1U) != 0;
  });
}

}  // namespace

Violation CheckTokens(const Moment& moment) {
  Token highest = moment.ledger.highest;
  for (const Action& action : moment.actions) {
    Token token;
    if (const auto* spawn = std::get_if<action::Spawn>(&action)) token = spawn->token;
    if (const auto* probe = std::get_if<action::Probe>(&action)) token = probe->check;
    if (!token.is_set()) continue;
    if (token <= highest) return {Invariant::kTokens, "a token was used again"};
    highest = token;
  }
  if (moment.after.next_token <= highest) {
    return {Invariant::kTokens, "the next token was given out already"};
  }
  return {};
}

Violation CheckNoSignalToDead(const Moment& moment) {
  for (const Action& action : moment.actions) {
    Token token;
    if (const auto* stop = std::get_if<action::Stop>(&action)) token = stop->token;
    if (const auto* kill = std::get_if<action::Kill>(&action)) token = kill->token;
    if (!token.is_set()) continue;
    const TokenHistory* history = moment.ledger.Find(token);
    if (history == nullptr) continue;  // spawned in this very step, or adopted
    if (history->gone) return {Invariant::kNoSignalToDead, "a signal for what is gone"};
    if (history->failed) return {Invariant::kNoSignalToDead, "a signal for what never ran"};
  }
  return {};
}

Violation CheckKillAt(const Moment& moment) {
  return ForEach<action::Stop>(moment, [&](const action::Stop& stop) -> Violation {
    const TokenHistory* history = moment.ledger.Find(stop.token);
    if (history == nullptr || history->kind != ProcessKind::kInstance) return {};
    const Service* service = moment.state.Find(ServiceName(history->service));
    const KeptSpec* kept = service == nullptr ? nullptr : service->Find(history->generation);
    if (kept == nullptr) return {};
    const Policy& policy = kept->spec->policy;
    if (stop.kill_at != moment.now + policy.stop_timeout) {
      return {Invariant::kKillInTime, "kill_at is not stop_timeout after the stop signal"};
    }
    if (stop.signal != policy.stop_signal) {
      return {Invariant::kKillInTime, "not the spec's stop signal"};
    }
    return {};
  });
}

Violation CheckStoppedStaysStopped(const Moment& moment) {
  for (std::size_t i = 0; i < kMaxServices; ++i) {
    const ServiceView& before = moment.before.services[i];
    const ServiceView& after = moment.after.services[i];
    if (!before.is_there || !after.is_there || before.wanted == after.wanted) continue;
    const event::Request* request = RequestOf(moment);
    if (after.wanted && IsQueued(moment, i)) continue;
    const bool boot = moment.event != nullptr && std::holds_alternative<event::Boot>(*moment.event);
    if (boot || (request != nullptr && request->verb != Verb::kShutdown)) continue;
    return {Invariant::kStoppedStaysStopped, "what is wanted changed without a command"};
  }
  return ForEach<action::Spawn>(moment, [&](const action::Spawn& spawn) -> Violation {
    if (spawn.kind != ProcessKind::kInstance) return {};
    const std::size_t index = ServiceIndex(spawn.instance.service);
    const ServiceView& service = moment.after.services[index];
    if (moment.after.shutting_down) {
      return {Invariant::kStoppedStaysStopped, "a spawn during the daemon's shutdown"};
    }
    const bool stopped = moment.ledger.services[index].wanted == ServiceHistory::Wanted::kStopped;
    if (!service.is_there || !service.wanted || service.deleting || stopped) {
      return {Invariant::kStoppedStaysStopped, "a spawn for a service that is not wanted"};
    }
    return {};
  });
}

Violation CheckAcknowledged(const Moment& moment) {
  return ForEach<action::Acknowledge>(moment, [&](const action::Acknowledge& done) -> Violation {
    const TokenHistory* history = moment.ledger.Find(done.token);
    if (history != nullptr && !history->gone && !history->failed) {
      return {Invariant::kAcknowledged, "acknowledged before it was gone"};
    }
    if (moment.after.Find(done.token) != nullptr) {
      return {Invariant::kAcknowledged, "acknowledged, but the saved state still has it"};
    }
    return {};
  });
}

// A command touches what it names, and a start also what that depends on.
Violation CheckOthersUntouched(const Moment& moment) {
  const event::Request* request = RequestOf(moment);
  if (request == nullptr || request->verb == Verb::kShutdown) return {};
  const bool widens = request->verb == Verb::kStart || request->verb == Verb::kApply;
  for (const Action& action : moment.actions) {
    Token token;
    if (const auto* stop = std::get_if<action::Stop>(&action)) token = stop->token;
    if (const auto* kill = std::get_if<action::Kill>(&action)) token = kill->token;
    const TokenHistory* history = token.is_set() ? moment.ledger.Find(token) : nullptr;
    if (history != nullptr && history->kind != ProcessKind::kInstance) history = nullptr;
    const ServiceView* was =
        history == nullptr ? nullptr : &moment.before.services[history->service];
    const bool its_turn =
        was != nullptr && (was->stops_in_turn || was->is_rolling || was->due <= moment.now);
    if (history != nullptr && !its_turn && !IsNamed(moment, *request, history->service)) {
      return {Invariant::kOthersUntouched, "a command stopped a service that it does not name"};
    }
    const auto* spawn = std::get_if<action::Spawn>(&action);
    if (spawn == nullptr || widens) continue;
    const std::size_t service = ServiceIndex(spawn->instance.service);
    // Also what an earlier command has stopped in its turn, and starts again.
    const ServiceView& before = moment.before.services[service];
    const bool is_due = before.due <= moment.now || before.stops_in_turn;
    const bool waited =
        is_due || std::ranges::any_of(moment.before.instances(), [&](const InstanceView& one) {
          return one.service == service && one.slot == spawn->instance.slot &&
                 one.kind == StateKind::kWaiting;
        });
    if (spawn->kind != ProcessKind::kInstance) continue;  // of what stops in its turn
    if (!IsNamed(moment, *request, service) && !waited) {
      return {Invariant::kOthersUntouched, "a command started a service that it does not name"};
    }
  }
  for (std::size_t i = 0; i < kMaxServices; ++i) {
    const ServiceView& before = moment.before.services[i];
    const ServiceView& after = moment.after.services[i];
    const bool is_due = before.due <= moment.now || before.hooks > 0 || before.stops_in_turn ||
                        after.ended == moment.now;
    if (IsNamed(moment, *request, i) || widens || !before.is_there || is_due) continue;
    if (!after.is_there || before.wanted != after.wanted || before.target != after.target) {
      return {Invariant::kOthersUntouched, "a command changed a service that it does not name"};
    }
  }
  return {};
}

Violation CheckNewSpecByRequest(const Moment& moment) {
  const bool by_people =
      moment.event != nullptr && (std::holds_alternative<event::Request>(*moment.event) ||
                                  std::holds_alternative<event::Boot>(*moment.event));
  for (const Service& service : moment.state.services) {
    const std::size_t index = ServiceIndex(service.name);
    const ServiceView& before = moment.before.services[index];
    const bool adopted = moment.event == nullptr && moment.ledger.image_was_lost;
    if (!by_people && !adopted && before.is_there &&
        service.last_generation > before.last_generation) {
      return {Invariant::kNewSpecByRequest, "a new generation that nobody asked for"};
    }
    for (const KeptSpec& kept : service.specs) {
      const GenerationHistory& known = moment.ledger.services[index].At(kept.generation);
      if (known.known && known.version != kept.spec->source_line) {
        return {Invariant::kNewSpecByRequest, "the spec of a generation has changed"};
      }
    }
  }
  return ForEach<action::Spawn>(moment, [&](const action::Spawn& spawn) -> Violation {
    const std::size_t index = ServiceIndex(spawn.instance.service);
    const ServiceView& service = moment.after.services[index];
    if (!service.is_there || spawn.kind != ProcessKind::kInstance) return {};
    const bool known = spawn.generation == service.generation ||
                       (service.is_rolling &&
                        (spawn.generation == service.target || spawn.generation == service.from));
    const bool mixes = service.ended == moment.now && service.old_is_lost;
    if (!known && !mixes && !moment.ledger.services[index].is_mixed) {
      return {Invariant::kNewSpecByRequest, "a spawn of a generation that nobody wants now"};
    }
    if (service.is_rolling && service.cause != Cause::kPerson && service.from != service.target) {
      return {Invariant::kNewSpecByRequest, "a replacement that deploys"};
    }
    return {};
  });
}

// Again only if the first was lost with the daemon that decided it.
Violation CheckHookOnce(const Moment& moment) {
  return ForEach<action::Spawn>(moment, [&](const action::Spawn& spawn) -> Violation {
    if (spawn.kind != ProcessKind::kPreReload) return {};
    const std::size_t index = ServiceIndex(spawn.instance.service);
    ServiceHistory& service = moment.ledger.services[index];
    const TokenHistory* first = moment.ledger.Find(service.At(spawn.generation).hook);
    if (first == nullptr || first->started_at == kNever) return {};
    // By `reload_signal` every reload is of the generation that runs; it begins in this very step.
    const ServiceView& after = moment.after.services[index];
    if (after.from == after.target && after.began == moment.now) return {};
    return {Invariant::kHookOnce, "pre_reload_cmd is run again for the same reload"};
  });
}

// No rollout is known of that could want one beside another.
Violation CheckNoSecondCopy(const Moment& moment) {
  if (moment.event != nullptr || !moment.ledger.boots) return {};
  return ForEach<action::Spawn>(moment, [&](const action::Spawn& spawn) -> Violation {
    if (spawn.kind != ProcessKind::kInstance) return {};
    const auto is_one = [&](const Process& process) {
      return process.is_alive() && process.kind == ProcessKind::kInstance &&
             process.service == ServiceIndex(spawn.instance.service) &&
             process.slot == spawn.instance.slot;
    };
    if (std::ranges::none_of(moment.kernel.processes(), is_one)) return {};
    return {Invariant::kOneInstance, "started anew beside one that lives"};
  });
}

Violation CheckStartBound(const Moment& moment) {
  const bool spawns = std::ranges::any_of(moment.actions, [](const Action& action) {
    const auto* spawn = std::get_if<action::Spawn>(&action);
    return spawn != nullptr && spawn->kind == ProcessKind::kInstance;
  });
  if (!spawns || moment.event == nullptr) return {};
  std::size_t unconfirmed = 0;
  for (const InstanceView& one : moment.after.instances()) {
    unconfirmed += one.kind == StateKind::kStarting && !one.has_pid ? 1U : 0U;
  }
  if (unconfirmed > moment.state.settings.start_parallel) {
    return {Invariant::kStartBound, "more starts at once than start_parallel"};
  }
  return {};
}

}  // namespace oxherd::sim
