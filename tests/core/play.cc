#include "play.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>

namespace oxherd {

std::shared_ptr<Spec> MakeSpec(std::string name) {
  auto spec = std::make_shared<Spec>();
  spec->name = std::move(name);
  spec->command.argv = {"/bin/true"};
  return spec;
}

std::shared_ptr<Spec> MakeCheckedSpec(std::string name) {
  auto spec = MakeSpec(std::move(name));
  spec->policy.ready_by = ReadyBy::kHealth;
  spec->policy.has_health = true;
  return spec;
}

std::shared_ptr<Spec> MakeListeningSpec(std::string name) {
  auto spec = MakeSpec(std::move(name));
  spec->policy.ready_by = ReadyBy::kListen;
  spec->policy.listen = {{.address = std::string(kAddress), .any_family = true}};
  return spec;
}

Play::Play() : now_(InstantFromNanoseconds(1'000'000'000'000)) { state_.seed = 7; }

RequestId Play::Ask(Verb verb, std::vector<std::string> names, std::vector<SpecPtr> specs) {
  event::Request request;
  request.verb = verb;
  request.names = std::move(names);
  request.specs = std::move(specs);
  return Ask(std::move(request));
}

RequestId Play::Ask(event::Request request) {
  if (!request.id.is_set()) request.id = RequestId(next_request_++);
  Happens(request);
  return request.id;
}

void Play::Happens(const Event& event) {
  const std::size_t before = actions_.size();
  Apply(state_, event, now_, actions_);
  for (std::size_t i = before; i < actions_.size(); ++i) {
    if (const auto* spawn = std::get_if<action::Spawn>(&actions_[i])) {
      spawned_.push_back(spawn->token);
    } else if (const auto* open = std::get_if<action::OpenPool>(&actions_[i])) {
      asked_pools_.push_back(*open);
    } else if (const auto* steer = std::get_if<action::Steer>(&actions_[i])) {
      CHECK_FALSE(steer->places.empty());
      CHECK(std::ranges::is_sorted(steer->places));
      std::erase_if(steered_, [&](const action::Steer& old) {
        return old.service == steer->service && old.address == steer->address;
      });
      steered_.push_back(*steer);
    }
  }
  CHECK(NextDeadline(state_) > now_);  // nothing is left undone that was due
}

void Play::Pass(Duration duration) {
  const Instant until = now_ + duration;
  for (Instant next = NextDeadline(state_); next <= until; next = NextDeadline(state_)) {
    now_ = std::max(now_, next);
    Happens(event::Due{});
  }
  now_ = until;
}

void Play::ConfirmSpawns() {
  std::vector<Token> spawned;
  spawned.swap(spawned_);
  for (const Token token : spawned) Happens(event::Started{token, Pid(next_pid_++)});
}

void Play::OpenPools() {
  std::vector<action::OpenPool> asked;
  asked.swap(asked_pools_);
  for (const action::OpenPool& open : asked) {
    Happens(event::PoolOpened{.service = open.service,
                              .address = open.address,
                              .width = open.width,
                              .shared = false,
                              .error = {},
                              .pool = open.pool});
  }
}

void Play::End(Token token, ExitStatus status) {
  Happens(event::Exited{token, status});
  Happens(event::Gone{token});
}

void Play::Answer(std::string_view instance, ProbeOutcome outcome) {
  for (const action::Probe& probe : Take<action::Probe>()) {
    if (probe.instance.Text() == instance) {
      Happens(event::Probed{.token = probe.token, .outcome = outcome, .other = {}});
    } else {
      actions_.push_back(probe);
    }
  }
}

void Play::Obey(Token token) { End(token, ExitStatus::Signal(SIGTERM)); }

void Play::BringUp(std::vector<SpecPtr> specs) {
  const RequestId id = Ask(Verb::kStart, {}, std::move(specs));
  for (int round = 0; round < 20 && !IsAnswered(id); ++round) {
    OpenPools();
    ConfirmSpawns();
    for (const Service& service : state_.services) {
      for (std::size_t slot = 0; slot < service.slots.size(); ++slot) {
        Answer(service.name + "/" + std::to_string(slot), ProbeOutcome::kGood);
      }
    }
    Pass(Millis(1000));
  }
  REQUIRE(IsAnswered(id));
  actions_.clear();
}

const Service& Play::service(std::string_view name) const {
  const Service* found = state_.Find(name);
  REQUIRE(found != nullptr);
  return *found;
}

const Instance& Play::current(std::string_view name, SlotIndex slot) const {
  REQUIRE(service(name).slots.size() > slot);
  return service(name).slots[slot].current;
}

const Instance* Play::replacement(std::string_view name, SlotIndex slot) const {
  REQUIRE(service(name).slots.size() > slot);
  const auto& replacement = service(name).slots[slot].replacement;
  return replacement ? &*replacement : nullptr;
}

Token Play::token(std::string_view name, SlotIndex slot) const {
  return current(name, slot).token();
}

std::string_view Play::StateOf(std::string_view name, SlotIndex slot) const {
  return Name(current(name, slot).kind());
}

const RequestItem& Play::Item(RequestId id, std::string_view name) const {
  const RequestRecord* record = state_.Find(id);
  REQUIRE(record != nullptr);
  for (const RequestItem& item : record->items) {
    if (name.empty() || item.service == name) return item;
  }
  FAIL("no such item");
  return record->items.front();
}

bool Play::IsAnswered(RequestId id) const {
  const RequestRecord* record = state_.Find(id);
  return record != nullptr && record->finished;
}

std::vector<SocketNumber> Play::Steered(std::string_view address) const {
  const auto found = std::ranges::find(steered_, address, &action::Steer::address);
  REQUIRE(found != steered_.end());
  std::vector<SocketNumber> sockets;
  for (const std::uint16_t place : found->places) sockets.push_back(found->order.at(place));
  return sockets;
}

bool Play::Told(action::Tell::Kind kind) const {
  return std::ranges::any_of(actions_, [&](const Action& action) {
    const auto* tell = std::get_if<action::Tell>(&action);
    return tell != nullptr && tell->kind == kind;
  });
}

}  // namespace oxherd
