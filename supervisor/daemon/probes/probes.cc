#include "daemon/probes/probes.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "config/endpoint.h"
#include "daemon/later.h"
#include "daemon/probes/name_lookup.h"
#include "daemon/probes/probe_binding.h"
#include "daemon/probes/probe_dialogue.h"
#include "os/clock.h"

namespace oxherd {
namespace {

namespace asio = boost::asio;

// While questions are open the loop is expected to turn this often…
constexpr Duration kPulse = Millis(100);
// …and one that took so much longer was starved: it may have missed an answer.
constexpr Duration kStarved = Millis(300);
// A machine that slept longer than this was suspended.
constexpr Duration kSuspended = Millis(50);

struct Open {
  ProbeQuestion question;
  std::uint16_t port = 0;
  Instant began{};
  Duration asleep{};                             // os::TimeAsleep() at the begin
  bool starved = false;                          // the loop did not run for a while since
  std::unique_ptr<ProbeDialogue> dialogue;       // http, tcp
  std::unique_ptr<asio::steady_timer> deadline;  // command
};

}  // namespace

class Probes::Impl {
 public:
  Impl(asio::io_context& loop, Seams seams)
      : loop_(loop), seams_(std::move(seams)), names_(loop, seams_.run_off_loop), pulse_(loop) {}
  ~Impl() { *alive_ = false; }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void Ask(ProbeQuestion question);
  void Cancel(Token token);
  void OnCheckEnded(Token check, const ExitStatus& status);
  void OnCheckNotStarted(Token check, std::string why);

 private:
  void AskOverTcp(Open& open);
  void AskCommand(Open& open);
  void AnswerLater(const ProbeQuestion& question, ProbeOutcome outcome, std::string text);
  void Judge(Token token, const ProbeDialogue::Outcome& outcome);
  // Ends the question and says the answer.
  void End(Token token, ProbeAnswer answer);
  [[nodiscard]] ProbeOutcome FailureOf(const Open& open) const;
  [[nodiscard]] ProbeAnswer Bound(const Open& open, ProbeAnswer answer);
  void Pulse();
  void NoteTurn();

  asio::io_context& loop_;
  Seams seams_;
  NameLookup names_;
  std::map<Token, Open> open_;
  std::map<Token, Token> checks_;  // the process of a command -> whom it asks
  std::set<Token> proved_;         // answered by a socket of their own
  asio::steady_timer pulse_;
  bool pulse_runs_ = false;
  Instant last_turn_{};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

void Probes::Impl::Ask(ProbeQuestion question) {
  if (open_.contains(question.token)) {
    return AnswerLater(question, ProbeOutcome::kVoid, "the last question is still open");
  }
  const Token token = question.token;
  Open& open = open_[token];
  open.question = std::move(question);
  open.began = os::Now();
  open.asleep = os::TimeAsleep();
  if (!pulse_runs_) {
    last_turn_ = open.began;
    Pulse();
  }
  switch (open.question.kind) {
    case HealthCheck::Kind::kHttp:
    case HealthCheck::Kind::kTcp:
      return AskOverTcp(open);
    case HealthCheck::Kind::kCommand:
      return AskCommand(open);
    case HealthCheck::Kind::kNone:
      AnswerLater(open.question, ProbeOutcome::kVoid, "there is no health check");
      open_.erase(token);
      return;
  }
}

// ---- HTTP and TCP. ----

void Probes::Impl::AskOverTcp(Open& open) {
  const auto endpoint = open.question.kind == HealthCheck::Kind::kHttp
                            ? ParseHttpEndpoint(open.question.target)
                            : ParseTcpEndpoint(open.question.target);
  const Token token = open.question.token;
  if (!endpoint) {
    AnswerLater(open.question, ProbeOutcome::kBad, endpoint.error().message);
    open_.erase(token);
    return;
  }
  open.port = endpoint->port;
  open.dialogue = ProbeDialogue::Begin(
      loop_, names_, *endpoint, open.question.route, open.question.timeout,
      [this, token](const ProbeDialogue::Outcome& outcome) { Judge(token, outcome); });
}

void Probes::Impl::Judge(Token token, const ProbeDialogue::Outcome& outcome) {
  NoteTurn();
  const auto found = open_.find(token);
  if (found == open_.end()) return;
  const Open& open = found->second;
  ProbeAnswer answer{.token = token, .text = outcome.text};
  answer.outcome = outcome.good ? ProbeOutcome::kGood : ProbeOutcome::kBad;
  if (outcome.timed_out) answer.outcome = FailureOf(open);
  if (outcome.good) answer = Bound(open, std::move(answer));
  End(token, std::move(answer));
}

// A time-out counts only if we were there all the time.
ProbeOutcome Probes::Impl::FailureOf(const Open& open) const {
  const bool suspended = os::TimeAsleep() - open.asleep > kSuspended;
  const bool late = os::Now() - open.began > Duration(open.question.timeout) + kStarved;
  return suspended || late || open.starved ? ProbeOutcome::kVoid : ProbeOutcome::kBad;
}

// A good answer, unless it has to be from the instance itself and is not.
ProbeAnswer Probes::Impl::Bound(const Open& open, ProbeAnswer answer) {
  const ProbeQuestion& question = open.question;
  if (question.purpose != ProbeQuestion::Purpose::kReadiness) return answer;
  if (question.route.path) return answer;
  if (proved_.contains(question.token)) return answer;
  const Binding binding = WhoAnswers(question, open.port, seams_.live_instances());
  switch (binding.kind) {
    case Binding::Kind::kOurs:
      proved_.insert(question.token);
      break;
    case Binding::Kind::kForeign:
      answer.outcome = ProbeOutcome::kForeign;
      answer.other = binding.generation;
      answer.other_pid = binding.pid;
      answer.text = "port " + std::to_string(open.port) + " is answered by another process";
      break;
    case Binding::Kind::kUnknown:
      answer.outcome = ProbeOutcome::kVoid;
      answer.text = "whose port " + std::to_string(open.port) + " is cannot be seen";
      break;
  }
  return answer;
}

// ---- Commands. ----

void Probes::Impl::AskCommand(Open& open) {
  const Token token = open.question.token;
  const Token check = open.question.check;
  checks_[check] = token;
  open.deadline = std::make_unique<asio::steady_timer>(loop_, open.question.timeout);
  open.deadline->async_wait([this, check, alive = alive_](const boost::system::error_code& error) {
    if (error) return;
    // An exit that came in while the loop did not run is heard first.
    CallLater(loop_, [this, check, alive] {
      if (!*alive) return;
      const auto found = checks_.find(check);
      if (found == checks_.end()) return;
      NoteTurn();
      const Token asked = found->second;
      const Open& late = open_.at(asked);
      ProbeAnswer answer{.token = asked, .outcome = FailureOf(late)};
      answer.text = "the command took more than " + std::to_string(late.question.timeout.count()) +
                    " ms and was killed";
      seams_.kill_check(check);
      End(asked, std::move(answer));
    });
  });
  const ProbeQuestion question = open.question;  // the seam may come back to us
  seams_.spawn_check(question);
}

void Probes::Impl::OnCheckEnded(Token check, const ExitStatus& status) {
  const auto found = checks_.find(check);
  if (found == checks_.end()) return;
  End(found->second, {.token = found->second,
                      .outcome = status.success() ? ProbeOutcome::kGood : ProbeOutcome::kBad,
                      .text = status.Text()});
}

void Probes::Impl::OnCheckNotStarted(Token check, std::string why) {
  const auto found = checks_.find(check);
  if (found == checks_.end()) return;
  AnswerLater(open_.at(found->second).question, ProbeOutcome::kBad, std::move(why));
  open_.erase(found->second);
  checks_.erase(found);
}

// ---- Both. ----

void Probes::Impl::End(Token token, ProbeAnswer answer) {
  const auto found = open_.find(token);
  answer.took = os::Now() - found->second.began;
  checks_.erase(found->second.question.check);
  open_.erase(found);
  seams_.answered(answer);
}

void Probes::Impl::AnswerLater(const ProbeQuestion& question, ProbeOutcome outcome,
                               std::string text) {
  ProbeAnswer answer{.token = question.token, .outcome = outcome, .text = std::move(text)};
  CallLater(loop_, [this, alive = alive_, answer = std::move(answer)] {
    if (*alive) seams_.answered(answer);
  });
}

void Probes::Impl::Cancel(Token token) {
  proved_.erase(token);
  const auto found = open_.find(token);
  if (found == open_.end()) return;
  const Token check = found->second.question.check;
  const bool runs = checks_.erase(check) != 0;
  open_.erase(found);
  if (runs) seams_.kill_check(check);
}

// Keeps an eye on the loop itself while questions are open, and costs nothing else.
void Probes::Impl::Pulse() {
  pulse_runs_ = !open_.empty();
  if (!pulse_runs_) return;
  pulse_.expires_after(kPulse);
  pulse_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (error || !*alive) return;
    NoteTurn();
    Pulse();
  });
}

void Probes::Impl::NoteTurn() {
  const Instant now = os::Now();
  if (now - last_turn_ > kPulse + kStarved) {
    for (auto& [token, open] : open_) open.starved = true;
  }
  last_turn_ = now;
}

Probes::Probes(asio::io_context& loop, Seams seams)
    : impl_(std::make_unique<Impl>(loop, std::move(seams))) {}
Probes::~Probes() = default;

void Probes::Ask(ProbeQuestion question) { impl_->Ask(std::move(question)); }
void Probes::Cancel(Token token) { impl_->Cancel(token); }
void Probes::OnCheckEnded(Token check, const ExitStatus& status) {
  impl_->OnCheckEnded(check, status);
}
void Probes::OnCheckNotStarted(Token check, std::string why) {
  impl_->OnCheckNotStarted(check, std::move(why));
}

}  // namespace oxherd
