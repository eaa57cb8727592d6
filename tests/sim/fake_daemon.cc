#include "tests/sim/fake_daemon.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"
#include "core/auto_listen.h"
#include "core/codec.h"

namespace oxherd::sim {
namespace {

ByteView Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

keeper::ProcessKind LabelKind(ProcessKind kind) {
  return kind == ProcessKind::kInstance ? keeper::ProcessKind::kInstance
                                        : keeper::ProcessKind::kHook;
}

}  // namespace

void FakeDaemon::Reset(const Scenario& scenario, Random random, Trace* trace) {
  scenario_ = &scenario;
  trace_ = trace;
  random_ = random;
  weather_ = scenario.faults.bad_processes ? Weather::kFaults : Weather::kCalm;
  life_ = Life::kDead;
  hung_ = false;
  has_left_ = false;
  cut_ = kNoCut;
  terminations_ = 0;
  use_image_ = true;
  image_.written = false;
  image_.records.clear();
  disk_.wishes.clear();
  if (scenario.boot) {
    for (std::size_t i = 0; i < scenario.services; ++i) {
      disk_.wishes.push_back(
          {.spec = scenario.versions[i][0].written(), .generation = Generation(1)});
    }
  }
  world_.clear();
  after_world_.clear();
  questions_.clear();
  said_.clear();
  events_ = 0;
}

// ---- Life. ----

State FakeDaemon::Fresh() const {
  State state;
  state.seed = scenario_->seed;
  state.settings = scenario_->settings;
  return state;
}

void FakeDaemon::Start(Instant now) {
  keeper_.DaemonIsUp(now);
  life_ = Life::kAsking;
  hung_ = false;
  world_.clear();
  after_world_.clear();
  questions_.clear();
  said_.clear();
  next_due_ = kNever;
}

void FakeDaemon::Die(Instant now) {
  if (life_ == Life::kUp && !scenario_->faults.whole_image) SaveImage();
  if (trace_ != nullptr) trace_->Note(now, "the daemon dies");
  life_ = Life::kDead;
  hung_ = false;
  cut_ = kNoCut;
  questions_.clear();
  clients_.DaemonDied();
  keeper_.DaemonDied(now);
  network_.DaemonDied();
}

void FakeDaemon::LoseKeeper(Instant now) {
  if (!is_responsive() || has_left_) return;
  Die(now);
  keeper_.Die(FakeKeeper::Heir::kDaemon, now);
  use_image_ = true;
}

void FakeDaemon::DieWithKeeper(Instant now) {
  if (has_left_ || keeper_.has_exited()) return;
  Die(now);
  image_.written = false;
  image_.records.clear();
  keeper_.Die(FakeKeeper::Heir::kNobody, now);
}

void FakeDaemon::Leave(Instant now) {
  keeper::Bye bye;
  bye.remains = state_.shutdown && state_.shutdown->keep_instances ? keeper::Remains::kLeave
                                                                   : keeper::Remains::kKill;
  keeper_.Send(bye, {}, now);
  checker_.Leaves(bye.remains == keeper::Remains::kLeave);
  has_left_ = true;
  Die(now);
}

void FakeDaemon::Signalled(std::uint8_t signal, Instant now) {
  if (life_ == Life::kDead) return;
  if (signal == SIGTERM) {
    if (hung_) return;
    event::Request request;
    request.verb = Verb::kShutdown;
    request.forced = terminations_++ > 0;
    if (life_ == Life::kUp) Take(request, now);
    return;
  }
  Die(now);
}

// ---- The image. ----

void FakeDaemon::SaveImage() {
  Encode(state_, image_.all);
  image_.written = true;
}

// As the daemon does it: only what changed.
void FakeDaemon::SaveRecords() {
  image_.written = true;
  EncodeCommon(state_, image_.common);
  std::erase_if(image_.records,
                [&](const Record& record) { return state_.Find(record.service) == nullptr; });
  for (const Service& service : state_.services) {
    auto record = std::ranges::find(image_.records, service.name, &Record::service);
    if (record == image_.records.end()) {
      image_.records.push_back({.service = service.name, .revision = UINT64_MAX, .bytes = {}});
      record = image_.records.end() - 1;
    }
    if (record->revision == service.revision) continue;
    record->revision = service.revision;
    EncodeService(service, record->bytes);
  }
}

State FakeDaemon::LoadImage() {
  if (!scenario_->faults.whole_image) {
    auto decoded = Decode(Bytes(image_.all));
    OXHERD_CHECK(decoded.has_value(), "an image that cannot be read");
    return std::move(*decoded);
  }
  auto state = DecodeCommon(Bytes(image_.common));
  OXHERD_CHECK(state.has_value(), "a common record that cannot be read");
  for (const Record& record : image_.records) {
    auto service = DecodeService(Bytes(record.bytes));
    OXHERD_CHECK(service.has_value(), "a service's record that cannot be read");
    state->services.push_back(std::move(*service));
  }
  return std::move(*state);
}

// ---- From event to actions. ----

// What is known of an address goes into the specs that come with a request.
Event FakeDaemon::AsRead(Event event) const {
  auto* const request = std::get_if<event::Request>(&event);
  if (request == nullptr) return event;
  for (SpecPtr& spec : request->specs) {
    const Service* const service = state_.Find(spec->name);
    if (service == nullptr || spec->policy.auto_listen == AutoListen::kNo) continue;
    auto known = std::make_shared<Spec>(*spec);
    KeepFoundAddress(*known, service->spec(), service->is_down() ? Runs::kNo : Runs::kYes);
    spec = std::move(known);
  }
  return event;
}

void FakeDaemon::Take(const Event& happened, Instant now) {
  std::optional<Event> read;
  if (scenario_->has_auto_listen && std::holds_alternative<event::Request>(happened)) {
    read = AsRead(happened);
  }
  const Event& event = read ? *read : happened;
  if (trace_ != nullptr) trace_->Take(now, event);
  if (cut_ == 0) return Die(now);  // after Apply, before the image: as if it had never been
  ++events_;
  actions_.clear();
  checker_.Before(state_, event, now);
  Apply(state_, event, now, actions_);
  next_due_ = Instant::min();
  if (scenario_->faults.whole_image) SaveRecords();
  checker_.After(state_, event, actions_, keeper_.kernel(), now);
  Perform(actions_, now);
}

void FakeDaemon::Perform(const Actions& actions, Instant now) {
  std::size_t count = actions.size();
  const bool dies = cut_ != kNoCut;
  if (dies) count = std::min<std::size_t>(count, cut_ - 1);
  if (trace_ != nullptr) trace_->Decide(actions, count);
  if (trace_ != nullptr) trace_->Show(state_, now);
  for (std::size_t i = 0; i < count; ++i) Do(actions[i], now);
  if (dies) {
    Die(now);
  } else if (ShutdownFinished(state_)) {
    Leave(now);
  }
}

void FakeDaemon::Do(const Action& action, Instant now) {
  checker_.Performed(action);
  if (const auto* spawn = std::get_if<action::Spawn>(&action)) {
    const Service& service = *state_.Find(spawn->instance.service);
    const Spec& spec = service.spec(spawn->generation);
    keeper::Spawn request;
    request.token = spawn->token;
    request.label = {.service = keeper::Name(spawn->instance.service),
                     .slot = spawn->instance.slot,
                     .generation = spawn->generation,
                     .kind = LabelKind(spawn->kind)};
    const auto version = scenario_->versions[ServiceIndex(spec.name)][spec.source_line].spec;
    const bool finds = spawn->kind == ProcessKind::kInstance && !spawn->socket &&
                       IsToTellAddress(service, spawn->generation);
    keeper_.Send(
        request,
        {.spec = version.get(), .kind = spawn->kind, .socket = spawn->socket, .finds = finds}, now);
  } else if (const auto* stop = std::get_if<action::Stop>(&action)) {
    keeper::Stop request;
    request.token = stop->token;
    request.signal = stop->signal;
    request.scope = stop->scope == KillMode::kMixed ? keeper::Scope::kMain : keeper::Scope::kGroup;
    request.kill_at = stop->kill_at;
    keeper_.Send(request, {}, now);
  } else if (const auto* kill = std::get_if<action::Kill>(&action)) {
    keeper_.Send(keeper::Kill{kill->token}, {}, now);
  } else if (const auto* acknowledge = std::get_if<action::Acknowledge>(&action)) {
    keeper_.Send(keeper::Ack{acknowledge->token}, {}, now);
  } else if (const auto* probe = std::get_if<action::Probe>(&action)) {
    const Duration takes = random_.PickMillis(std::array{0, 0, 50, 100});
    questions_.push_back({now + takes, probe->token});
  } else if (const auto* reply = std::get_if<action::Reply>(&action)) {
    clients_.Answered(reply->request);
  } else if (std::holds_alternative<action::SaveWishes>(action)) {
    SaveWishes();
  } else {
    network_.Do(action, now);
  }
}

void FakeDaemon::SaveWishes() {
  disk_.wishes.clear();
  for (const Service& service : state_.services) {
    disk_.wishes.push_back({.spec = service.Find(service.generation)->spec,
                            .generation = service.generation,
                            .wanted = service.wish == Wish::kRunning});
  }
}

// ---- Reports. ----

Instant FakeDaemon::NextReport() const {
  return life_ == Life::kDead || hung_ ? kNever : keeper_.NextReport();
}

void FakeDaemon::TakeReport(Instant now) {
  if (life_ == Life::kUp && network_.hears_of_sockets()) return TakeNews(now);
  const keeper::Report report = keeper_.Receive();
  if (const auto* hello = std::get_if<keeper::Hello>(&report)) return ReceiveHello(*hello, now);
  if (const auto* beat = std::get_if<keeper::Beat>(&report)) {
    return keeper_.Send(keeper::BeatAnswer{beat->number}, {}, now);
  }
  if (life_ == Life::kAsking) return CollectWorld(report, now);
  Hear(report, now);
}

void FakeDaemon::Hear(const keeper::Report& report, Instant now) {
  if (life_ != Life::kUp) return;  // died of the one before
  if (const auto* started = std::get_if<keeper::Started>(&report)) {
    Take(event::Started{started->token, started->pid}, now);
  } else if (const auto* failed = std::get_if<keeper::SpawnFailed>(&report)) {
    Take(event::SpawnFailed{failed->token, static_cast<std::uint8_t>(failed->stage),
                            failed->error_number},
         now);
  } else if (const auto* exited = std::get_if<keeper::Exited>(&report)) {
    Take(event::Exited{exited->token, exited->record.status}, now);
  } else if (const auto* gone = std::get_if<keeper::Gone>(&report)) {
    Take(event::Gone{gone->token}, now);
  } else if (const auto* fired = std::get_if<keeper::KillFired>(&report)) {
    Take(event::KillFired{fired->token}, now);
  }
}

}  // namespace oxherd::sim
