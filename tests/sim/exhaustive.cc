#include "tests/sim/exhaustive.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/codec.h"
#include "tests/sim/fingerprint.h"
#include "tests/sim/trace.h"

namespace oxherd::sim {
namespace {

constexpr std::size_t kDepth = 80;

constexpr auto kStartFirst = ReloadStrategy::kStartFirst;
constexpr auto kStopFirst = ReloadStrategy::kStopFirst;
constexpr std::array<SmallCase, 8> kSmallCases = {{
    {.strategy = kStartFirst, .target_is_broken = false, .deaths = 0, .lates = 2},
    {.strategy = kStartFirst, .target_is_broken = true, .deaths = 0, .lates = 2},
    {.strategy = kStopFirst, .target_is_broken = false, .deaths = 0, .lates = 2},
    {.strategy = kStopFirst, .target_is_broken = true, .deaths = 0, .lates = 2},
    {.strategy = kStartFirst, .target_is_broken = false},
    {.strategy = kStartFirst, .target_is_broken = true},
    {.strategy = kStopFirst, .target_is_broken = false},
    {.strategy = kStopFirst, .target_is_broken = true},
}};

struct Move {
  enum class Kind : std::uint8_t {
    kStarted,
    kProof,
    kCrash,
    kExit,
    kGone,
    kKillFired,
    kReload,
    kStop,
    kDue,
    kLate,
    kDeath,
  };
  Kind kind = Kind::kDue;
  Token token;
};

// How a node was reached, backwards.
struct Trail {
  std::shared_ptr<const Trail> before;
  Move move;
};

struct Node {
  State state;
  Kernel kernel;
  Ledger ledger;
  Instant now = kBeginning;
  SmallCase left;  // what may still happen
  std::vector<Token> kills_to_tell;
  std::shared_ptr<const Trail> trail;
  std::size_t depth = 0;
};

SpecPtr MakeSpec(const SmallCase& small, std::uint32_t version) {
  auto spec = std::make_shared<Spec>();
  spec->name = "a";
  spec->source_line = version;
  Policy& policy = spec->policy;
  policy.instances = 2;
  policy.reload_strategy = small.strategy;
  policy.ready_by = ReadyBy::kLog;
  policy.ready_timeout = Millis(2000);
  policy.min_uptime = Millis(500);
  policy.stop_timeout = Millis(1000);
  policy.max_restarts = 2;
  policy.failed_retry = Millis(0);
  return spec;
}

class Searcher {
 public:
  Searcher(const SmallCase& small, std::size_t depth) : small_(small), depth_(depth) {
    scenario_.services = 1;
    scenario_.versions[0] = {{MakeSpec(small, 0)}, {MakeSpec(small, 1)}};
  }

  Found Run() {
    stack_.push_back(First());
    while (!stack_.empty() && !found_.violation) {
      const Node node = std::move(stack_.back());
      stack_.pop_back();
      Expand(node);
    }
    if (found_.violation) found_.path = Replay();
    return std::move(found_);
  }

 private:
  Node First() {
    Node first;
    first.left = small_;
    event::Boot boot;
    boot.wishes.push_back({.spec = scenario_.versions[0][0].spec, .generation = Generation(1)});
    Take(first, boot);
    return first;
  }

  // The way to the violation once more, with words.
  std::string Replay() {
    std::vector<Move> moves;
    for (const Trail* one = trail_.get(); one != nullptr; one = one->before.get()) {
      moves.push_back(one->move);
    }
    std::ranges::reverse(moves);
    const Violation violation = std::exchange(found_.violation, Violation{});
    telling_ = true;
    Node node = First();
    for (const Move& move : moves) {
      found_.violation = {};
      Do(node, move);
    }
    found_.violation = violation;
    return std::move(path_);
  }

  void Expand(const Node& node) {
    const std::vector<Move> moves = MovesOf(node);
    if (moves.empty()) return End(node);
    if (node.depth >= depth_) return;
    for (const Move& move : moves) {
      Node next = node;
      next.trail = std::make_shared<Trail>(Trail{node.trail, move});
      trail_ = next.trail;
      ++next.depth;
      Do(next, move);
      if (found_.violation) return;
      if (!seen_.insert(HashOf(next)).second) continue;
      ++found_.states;
      stack_.push_back(std::move(next));
    }
  }

  std::vector<Move> MovesOf(const Node& node) const {
    std::vector<Move> moves;
    using Kind = Move::Kind;
    for (const Process& process : node.kernel.processes()) {
      if (process.life == Process::Life::kForked) moves.push_back({Kind::kStarted, process.token});
      if (process.life == Process::Life::kMainGone) moves.push_back({Kind::kGone, process.token});
      if (process.life != Process::Life::kRunning) continue;
      const bool told = process.stop_signals > 0 || process.killed_at != kNever;
      if (told) moves.push_back({Kind::kExit, process.token});
      if (!told && node.left.crashes > 0) moves.push_back({Kind::kCrash, process.token});
      const bool broken = small_.target_is_broken && process.generation.number() > 1;
      const TokenHistory* token = node.ledger.Find(process.token);
      if (!broken && !told && token != nullptr && !token->line_matched) {
        moves.push_back({Kind::kProof, process.token});
      }
    }
    for (const Token token : node.kills_to_tell) moves.push_back({Kind::kKillFired, token});
    const bool is_late =
        std::ranges::any_of(moves, [](const Move& move) { return move.kind != Kind::kCrash; });
    if (node.left.reloads > 0) moves.push_back({Kind::kReload, {}});
    if (node.left.stops > 0) moves.push_back({Kind::kStop, {}});
    if (node.left.deaths > 0) moves.push_back({Kind::kDeath, {}});
    // Outcomes that are forgotten after a minute are of no interest here.
    const bool is_due = NextDeadline(node.state) < node.now + std::chrono::seconds(30);
    if (is_due && (!is_late || node.left.lates > 0)) {
      moves.push_back({is_late ? Kind::kLate : Kind::kDue, {}});
    }
    return moves;
  }

  void Do(Node& node, const Move& move) {
    Process* process = node.kernel.Find(move.token);
    switch (move.kind) {
      case Move::Kind::kStarted:
        process->life = Process::Life::kRunning;
        process->started_at = node.now;
        return Take(node, event::Started{move.token, Pid(7)});
      case Move::Kind::kProof:
        return Take(node, event::LogMatched{move.token});
      case Move::Kind::kCrash:
        --node.left.crashes;
        return Exit(node, *process, ExitStatus::Code(1));
      case Move::Kind::kExit:
        return Exit(node, *process, ExitStatus::Code(0));
      case Move::Kind::kGone:
        node.kernel.Forget(move.token);
        return Take(node, event::Gone{move.token});
      case Move::Kind::kKillFired:
        std::erase(node.kills_to_tell, move.token);
        return Take(node, event::KillFired{move.token});
      case Move::Kind::kReload:
        --node.left.reloads;
        return Ask(node, Verb::kReload);
      case Move::Kind::kStop:
        --node.left.stops;
        return Ask(node, Verb::kStop);
      case Move::Kind::kLate:
        --node.left.lates;
        [[fallthrough]];
      case Move::Kind::kDue:
        node.now = std::max(node.now, NextDeadline(node.state));
        FireKills(node);
        return Take(node, event::Due{});
      case Move::Kind::kDeath:
        --node.left.deaths;
        return Join(node);
    }
  }

  void Exit(Node& node, Process& process, ExitStatus status) {
    process.life = Process::Life::kMainGone;
    process.main_gone_at = node.now;
    std::erase(node.kills_to_tell, process.token);
    Take(node, event::Exited{process.token, status});
  }

  void Ask(Node& node, Verb verb) {
    event::Request request;
    request.id = RequestId(static_cast<std::uint64_t>(verb) + 1);
    request.verb = verb;
    request.names = {"a"};
    if (verb == Verb::kReload) request.specs = {scenario_.versions[0][1].spec};
    Take(node, request);
  }

  void FireKills(Node& node) {
    for (const Process& one : node.kernel.processes()) {
      if (one.kill_at > node.now || one.killed_at != kNever || !one.is_alive()) continue;
      node.kernel.Find(one.token)->killed_at = node.now;
      node.kills_to_tell.push_back(one.token);
    }
  }

  void Take(Node& node, const Event& event) {
    if (found_.violation) return;
    Look(node.state, before_);
    node.ledger.Learn(event, node.now);
    if (telling_) path_ += Describe(event) + "\n";
    actions_.clear();
    Apply(node.state, event, node.now, actions_);
    Settle(node, &event);
  }

  // The daemon dies and the next one joins what was saved with what is there.
  void Join(Node& node) {
    if (telling_) path_ += "the daemon dies\n";
    World world;
    for (const Process& one : node.kernel.processes()) {
      WorldRecord record;
      record.token = one.token;
      record.instance = {"a", one.slot};
      record.generation = one.generation;
      if (one.life != Process::Life::kForked) record.pid = Pid(7);
      record.spawned_at = one.exec_at;
      if (one.stop_signals > 0) record.stop_sent = node.now;
      record.kill_at = one.kill_at;
      record.kill_fired = one.killed_at != kNever;
      if (one.life == Process::Life::kMainGone) record.exit = ExitStatus::Code(1);
      world.push_back(record);
    }
    const std::string bytes = Encode(node.state);
    auto decoded = Decode(std::as_bytes(std::span(bytes)));
    if (!decoded || !(*decoded == node.state)) {
      found_.violation = {Invariant::kSameResult, "decode(encode(state)) is not the state"};
      return;
    }
    node.state = std::move(*decoded);
    node.kills_to_tell.clear();
    Look(node.state, before_);
    node.ledger.Learn(world, node.now);
    actions_.clear();
    Restore(node.state, world, node.now, actions_);
    Settle(node, nullptr);
  }

  void Settle(Node& node, const Event* event) {
    Look(node.state, after_);
    Violation violation = CheckStep(
        {before_, after_, node.state, event, actions_, node.kernel, node.ledger, node.now});
    for (const Action& action : actions_) Perform(node, action);
    if (!violation) {
      violation = CheckScene({node.kernel, &after_, node.ledger, scenario_, node.now});
    }
    if (violation) found_.violation = violation;
  }

  void Perform(Node& node, const Action& action) {
    if (telling_ && !Describe(action).empty()) path_ += "    -> " + Describe(action) + "\n";
    if (const auto* spawn = std::get_if<action::Spawn>(&action)) {
      Process process;
      process.token = spawn->token;
      process.slot = spawn->instance.slot;
      process.generation = spawn->generation;
      process.kind = spawn->kind;
      process.version = spawn->generation.number() > 1 ? 1 : 0;
      node.kernel.Fork(process, node.now);
    } else if (const auto* stop = std::get_if<action::Stop>(&action)) {
      if (Process* process = node.kernel.Find(stop->token)) {
        if (process->stop_signals == 0) ++process->stop_signals;
        process->kill_at = std::min(process->kill_at, stop->kill_at);
      }
    } else if (const auto* kill = std::get_if<action::Kill>(&action)) {
      if (Process* process = node.kernel.Find(kill->token)) process->killed_at = node.now;
    }
  }

  // Nothing more can happen: everybody has an answer, and what runs is what is wanted.
  void End(const Node& node) {
    ++found_.ends;
    const auto fail = [&](const char* what) {
      found_.violation = {Invariant::kLiveness, what};
      trail_ = node.trail;
    };
    for (const RequestRecord& record : node.state.requests) {
      if (!record.finished) fail("a request that is never answered");
    }
    const Service& service = node.state.services.front();
    const bool left_over = service.wish == Wish::kStopped && !node.kernel.processes().empty();
    if (service.rollout || left_over) fail("nothing more happens, and it is not as wanted");
  }

  static std::uint64_t HashOf(const Node& node) {
    Fingerprint print(node.now, node.state.next_token);
    print(node.state.services, node.state.requests);
    for (const Process& one : node.kernel.processes()) {
      print(one.token, one.slot, one.generation, one.life, one.stop_signals,
            one.killed_at != kNever, one.kill_at,
            node.ledger.tokens[one.token.number()].line_matched);
    }
    for (const Token token : node.kills_to_tell) print(token);
    print(node.left.reloads, node.left.crashes, node.left.stops, node.left.deaths, node.left.lates);
    return print.value();
  }

  SmallCase small_;
  std::size_t depth_;
  Scenario scenario_;
  std::vector<Node> stack_;
  std::unordered_set<std::uint64_t> seen_;
  Found found_;
  std::shared_ptr<const Trail> trail_;  // of the node that is being looked at
  bool telling_ = false;
  std::string path_;
  View before_;
  View after_;
  Actions actions_;
};

}  // namespace

Found Search(const SmallCase& small, std::size_t depth) { return Searcher(small, depth).Run(); }

int RunExhaustive() {
  int result = 0;
  for (const SmallCase& small : kSmallCases) {
    const Found found = Search(small, kDepth);
    std::printf("%s, %s definition, %d death of the daemon, %d late: %llu states, %llu ends\n",
                small.strategy == ReloadStrategy::kStartFirst ? "start-first" : "stop-first",
                small.target_is_broken ? "broken" : "good", small.deaths, small.lates,
                static_cast<unsigned long long>(found.states),
                static_cast<unsigned long long>(found.ends));
    std::fflush(stdout);
    if (!found.violation) continue;
    std::printf("%sinvariant %d: %s\n", found.path.c_str(),
                static_cast<int>(found.violation.invariant), found.violation.what);
    result = 1;
  }
  return result;
}

}  // namespace oxherd::sim
