#include "tests/sim/exhaustive.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "core/supervisor.h"

namespace oxherd::sim {
namespace {

constexpr Instant kStart{Seconds(1000)};
constexpr RequestId kStartId{1};
constexpr RequestId kReloadId{2};
constexpr RequestId kStopId{3};

// A process as the kernel and the keeper know it.
struct Life {
  enum class Phase : std::uint8_t { kAsked, kRunning, kExited, kGone };
  Phase phase = Phase::kAsked;
  InstanceId instance;
  Generation generation;
  Instant spawned_at;
  bool signalled = false;
  bool killed = false;
  Instant kill_at = kNever;
};

struct World {
  State state;
  Instant now = kStart;
  std::map<Token, Life> lives;
  bool crash_left = false;
  bool reload_left = true;
  bool stop_left = false;
  bool death_left = false;
  std::map<RequestId, int> replies;
  std::size_t ready_before_reload = 0;
};

// What can happen next.
struct Choice {
  std::string name;
  std::function<std::string(World&)> take;  // returns the violation, or nothing
};

SpecPtr MakeSpec(const SmallCase& small) {
  auto spec = std::make_shared<Spec>();
  spec->name = "a";
  spec->command.argv = {"a"};
  spec->policy.instances = 2;
  spec->policy.reload_strategy = small.strategy;
  spec->policy.reload_parallel = small.parallel;
  spec->policy.max_restarts = 3;
  spec->policy.failed_retry = Millis(0);  // else a crash loop has no end
  return spec;
}

// ---- performing actions, and what must hold of them

std::string Perform(World& world, const action::Spawn& spawn) {
  if (world.lives.contains(spawn.token)) return "a token is spawned twice (3)";
  const Service& service = *world.state.Find(spawn.instance.service);
  if (service.wish == Wish::kStopped) return "a spawn of what is not wanted (12)";
  world.lives[spawn.token] = Life{.phase = Life::Phase::kAsked,
                                  .instance = spawn.instance,
                                  .generation = spawn.generation,
                                  .spawned_at = world.now};
  return "";
}

// Told to stop by a start-first reload: there is a Ready one beside it, unless it failed itself.
std::string CheckRetired(const World& world, Token token) {
  const Service& service = *world.state.Find("a");
  if (service.wish == Wish::kStopped || !service.rollout) return "";
  if (service.rollout->strategy == ReloadStrategy::kStopFirst) return "";
  for (const Slot& slot : service.slots) {
    if (slot.current.token() != token || slot.current.failure.is_set()) continue;
    if (!slot.replacement || !slot.replacement->is_ready()) {
      return "an old instance is retired for one that is not Ready (8)";
    }
  }
  return "";
}

std::string Perform(World& world, const action::Stop& stop) {
  const auto found = world.lives.find(stop.token);
  if (found == world.lives.end() || found->second.phase == Life::Phase::kGone) {
    return "a signal for what is gone (4)";
  }
  if (found->second.signalled) return "a stop signal is sent twice";
  if (stop.kill_at != world.now + Seconds(10)) return "SIGKILL not at stop_timeout (6)";
  found->second.signalled = true;
  found->second.kill_at = stop.kill_at;
  return CheckRetired(world, stop.token);
}

std::string Perform(World& world, const action::Kill& kill) {
  const auto found = world.lives.find(kill.token);
  if (found == world.lives.end() || found->second.phase == Life::Phase::kGone) {
    return "SIGKILL for what is gone (4)";
  }
  found->second.killed = true;
  return "";
}

std::string Perform(World& world, const action::Acknowledge& acknowledge) {
  const auto found = world.lives.find(acknowledge.token);
  if (found == world.lives.end()) return "an exit record is acknowledged twice (16)";
  if (found->second.phase != Life::Phase::kGone) return "acknowledged before it is gone (16)";
  world.lives.erase(found);
  return "";
}

std::string Perform(World& world, const action::Reply& reply) {
  return ++world.replies[reply.request] > 1 ? "a request is answered twice (14)" : "";
}

template <typename Other>
std::string Perform(World& /*world*/, const Other& /*action*/) {
  return "";
}

std::string CheckState(const World& world) {
  if (NextDeadline(world.state) <= world.now) return "a deadline lies in the past (5)";
  const Service& service = *world.state.Find("a");
  std::size_t live = 0;
  for (const auto& [token, life] : world.lives) {
    if (life.phase == Life::Phase::kGone) continue;
    ++live;
    const auto owns = [&](const Slot& slot) {
      return slot.current.token() == token ||
             (slot.replacement && slot.replacement->token() == token);
    };
    if (std::ranges::count_if(service.slots, owns) != 1) return "a process without an instance (1)";
  }
  const std::size_t most = 2U + service.spec().policy.reload_parallel;
  return live > most ? "more live processes than allowed (2)" : "";
}

std::string PerformAll(World& world, const Actions& actions) {
  for (const Action& action : actions) {
    std::string violation =
        std::visit([&](const auto& alternative) { return Perform(world, alternative); }, action);
    if (!violation.empty()) return violation;
  }
  return CheckState(world);
}

std::size_t CountReady(const State& state) {
  std::size_t ready = 0;
  for (const Slot& slot : state.Find("a")->slots) {
    ready += slot.current.is_ready() || slot.current.kind() == StateKind::kDraining ? 1 : 0;
    ready += slot.replacement && slot.replacement->is_ready() ? 1 : 0;
  }
  return ready;
}

std::string Happens(World& world, const Event& event) {
  const bool known = world.state.Find("a") != nullptr;
  const std::size_t before = known ? CountReady(world.state) : 0;
  Actions actions;
  Apply(world.state, event, world.now, actions);
  std::string violation = PerformAll(world, actions);
  if (!violation.empty() || !known) return violation;
  const Service& service = *world.state.Find("a");
  const bool undisturbed = world.crash_left && service.wish == Wish::kRunning &&
                           service.spec().policy.reload_strategy == ReloadStrategy::kStartFirst;
  const bool about_a_process = !std::holds_alternative<event::Exited>(event);
  if (undisturbed && about_a_process && before >= 2 && CountReady(world.state) < 2) {
    return "a reload lowers the number of Ready instances (7)";
  }
  return "";
}

// ---- what can happen next

std::string Exits(World& world, Token token, ExitStatus status) {
  world.lives[token].phase = Life::Phase::kExited;
  return Happens(world, event::Exited{token, status});
}

// What the fate of one process can be.
void OfferLife(const World& world, Token token, const Life& life, std::vector<Choice>& choices) {
  const std::string name = life.instance.Text() + "#" + std::to_string(token.number());
  switch (life.phase) {
    case Life::Phase::kAsked:
      choices.push_back({name + " started", [token](World& next) {
                           next.lives[token].phase = Life::Phase::kRunning;
                           const Pid pid(static_cast<std::int32_t>(1000 + token.number()));
                           return Happens(next, event::Started{token, pid});
                         }});
      return;
    case Life::Phase::kRunning:
      if (life.signalled || life.killed) {
        const int signal = life.killed ? SIGKILL : SIGTERM;
        choices.push_back({name + " obeys", [token, signal](World& next) {
                             return Exits(next, token, ExitStatus::Signal(signal));
                           }});
      } else if (world.crash_left) {
        choices.push_back({name + " crashes", [token](World& next) {
                             next.crash_left = false;
                             return Exits(next, token, ExitStatus::Code(1));
                           }});
      }
      return;
    case Life::Phase::kExited:
      choices.push_back({name + " gone", [token](World& next) {
                           next.lives[token].phase = Life::Phase::kGone;
                           return Happens(next, event::Gone{token});
                         }});
      return;
    case Life::Phase::kGone:
      return;
  }
}

oxherd::World WhatTheKeeperKnows(const World& world) {
  oxherd::World known;
  for (const auto& [token, life] : world.lives) {
    WorldRecord record;
    record.token = token;
    record.instance = life.instance;
    record.generation = life.generation;
    record.spawned_at = life.spawned_at;
    if (life.phase != Life::Phase::kAsked) {
      record.pid = Pid(static_cast<std::int32_t>(1000 + token.number()));
    }
    if (life.signalled) {
      record.stop_sent = life.kill_at - Seconds(10);
      record.kill_at = life.kill_at;
    }
    if (life.phase >= Life::Phase::kExited) record.exit = ExitStatus::Code(1);
    record.gone = life.phase == Life::Phase::kGone;
    known.push_back(record);
  }
  return known;
}

// The daemon dies; what its successor decides is performed.
std::string DaemonDies(World& next) {
  next.death_left = false;
  Actions actions;
  const oxherd::World known = WhatTheKeeperKnows(next);
  Restore(next.state, known, next.now, actions);
  return PerformAll(next, actions);
}

std::string Ask(World& next, RequestId id, Verb verb, std::vector<SpecPtr> specs) {
  event::Request request;
  request.id = id;
  request.verb = verb;
  request.names = {"a"};
  request.specs = std::move(specs);
  return Happens(next, request);
}

// What the kernel does at once is done before time passes; only a process that was asked to stop
// may take its time.
bool IsPrompt(const World& world) {
  return std::ranges::all_of(world.lives, [](const auto& entry) {
    const Life& life = entry.second;
    return life.phase == Life::Phase::kGone ||
           (life.phase == Life::Phase::kRunning && !life.killed);
  });
}

std::string TimePasses(World& next) {
  next.now = NextDeadline(next.state);
  for (auto& [token, life] : next.lives) {
    const bool lives = life.phase == Life::Phase::kAsked || life.phase == Life::Phase::kRunning;
    if (lives && life.kill_at <= next.now) life.killed = true;  // the keeper's doing
  }
  return Happens(next, event::Due{});
}

std::vector<Choice> WhatCanHappen(const World& world, const SmallCase& small) {
  std::vector<Choice> choices;
  for (const auto& [token, life] : world.lives) OfferLife(world, token, life, choices);
  if (world.reload_left) {
    choices.push_back({"reload", [small](World& next) {
                         next.reload_left = false;
                         next.ready_before_reload = CountReady(next.state);
                         return Ask(next, kReloadId, Verb::kReload, {MakeSpec(small)});
                       }});
  }
  if (world.stop_left) {
    choices.push_back({"stop", [](World& next) {
                         next.stop_left = false;
                         return Ask(next, kStopId, Verb::kStop, {});
                       }});
  }
  if (world.death_left) choices.push_back({"the daemon dies", DaemonDies});
  if (IsPrompt(world) && NextDeadline(world.state) != kNever)
    choices.push_back({"time passes", TimePasses});
  return choices;
}

// Nothing can happen any more: it has to be as it is wanted.
std::string CheckEnd(const World& world) {
  const Service& service = *world.state.Find("a");
  if (!world.state.requests.empty()) return "a request never ends (liveness)";
  if (!world.reload_left && world.replies.count(kReloadId) == 0) return "no reply (14)";
  if (service.wish == Wish::kStopped) {
    return world.lives.empty() ? std::string() : "stopped, and something runs (liveness)";
  }
  if (service.slots.size() != 2 || service.rollout) return "the reload never ends (liveness)";
  // A reload from a generation that was not Ready yet has no way back when it fails.
  const bool no_way_back =
      service.last_reload && !service.last_reload->succeeded && world.ready_before_reload == 0;
  for (const Slot& slot : service.slots) {
    if (no_way_back && slot.current.kind() == StateKind::kFailed) continue;
    if (!slot.current.is_ready() || slot.replacement) return "not at full strength (liveness)";
    if (slot.current.generation != service.generation && !no_way_back)
      return "generations are mixed (9)";
  }
  return "";
}

// ---- the search

std::uint64_t Hash(const World& world) {
  State state = world.state;
  for (Service& service : state.services) service.revision = 0;  // counts the way, not the place
  std::string bytes = Encode(state);
  for (const auto& [token, life] : world.lives) {
    bytes += std::to_string(token.number());
    bytes += static_cast<char>('0' + static_cast<int>(life.phase) * 4 + (life.signalled ? 2 : 0) +
                               (life.killed ? 1 : 0));
  }
  bytes += std::to_string(Nanoseconds(world.now));
  bytes += static_cast<char>('0' + world.ready_before_reload);
  for (const bool left : {world.crash_left, world.reload_left, world.stop_left, world.death_left}) {
    bytes += left ? '1' : '0';
  }
  return std::hash<std::string>{}(bytes);
}

class Searcher {
 public:
  explicit Searcher(const SmallCase& small) : small_(small) {}

  void Go(const World& world) {
    if (!result_.violation.empty() || !seen_.insert(Hash(world)).second) return;
    ++result_.states;
    const std::vector<Choice> choices = WhatCanHappen(world, small_);
    if (choices.empty()) {
      ++result_.ends;
      return Note(CheckEnd(world));
    }
    for (const Choice& choice : choices) {
      World next = world;
      ++result_.steps;
      way_.push_back(choice.name);
      Note(choice.take(next));
      if (result_.violation.empty()) Go(next);
      way_.pop_back();
    }
  }

  SearchResult Take() { return std::move(result_); }

 private:
  void Note(std::string violation) {
    if (violation.empty() || !result_.violation.empty()) return;
    result_.violation = std::move(violation);
    for (const std::string& step : way_) result_.story += "  " + step + "\n";
  }

  SmallCase small_;
  SearchResult result_;
  std::unordered_set<std::uint64_t> seen_;
  std::vector<std::string> way_;
};

}  // namespace

SearchResult Search(const SmallCase& small) {
  World world;
  world.crash_left = small.crash;
  world.stop_left = small.stop;
  world.death_left = small.daemon_death;
  event::Request start;
  start.id = kStartId;
  start.verb = Verb::kStart;
  start.specs = {MakeSpec(small)};
  Searcher searcher(small);
  const std::string violation = Happens(world, start);
  if (violation.empty()) searcher.Go(world);
  SearchResult result = searcher.Take();
  if (!violation.empty()) result.violation = violation;
  return result;
}

int RunExhaustive() {
  int failed = 0;
  for (const ReloadStrategy strategy : {ReloadStrategy::kStartFirst, ReloadStrategy::kStopFirst}) {
    for (const std::uint16_t parallel : {std::uint16_t{1}, std::uint16_t{2}}) {
      for (const bool daemon_death : {false, true}) {
        const SmallCase small{.crash = true,
                              .stop = !daemon_death,
                              .daemon_death = daemon_death,
                              .strategy = strategy,
                              .parallel = parallel};
        const SearchResult result = Search(small);
        std::printf("%s, %d at a time, a crash, %s: %llu states, %llu steps, %llu ends%s%s\n%s",
                    strategy == ReloadStrategy::kStartFirst ? "start-first" : "stop-first",
                    static_cast<int>(parallel), daemon_death ? "a daemon's death" : "a stop",
                    static_cast<unsigned long long>(result.states),
                    static_cast<unsigned long long>(result.steps),
                    static_cast<unsigned long long>(result.ends),
                    result.violation.empty() ? "" : ": ", result.violation.c_str(),
                    result.story.c_str());
        if (!result.violation.empty()) failed = 1;
      }
    }
  }
  return failed;
}

}  // namespace oxherd::sim
