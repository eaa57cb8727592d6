#include "daemon/errands/errands.h"

#include <algorithm>
#include <utility>

#include "control/words.h"
#include "os/clock.h"

namespace oxherd {
namespace {

std::string CannotStart(const PlanFailure& failure) {
  if (!failure.text.empty()) return "cannot start: " + failure.text;
  return "cannot start: " + std::string(keeper::StageName(failure.stage)) + ": " +
         ErrnoText(failure.error_number);
}

}  // namespace

void Errands::Run(const Errand& errand, Done done) {
  const Token token = parts_.new_token();
  const bool has_log = errand.output == Errand::Output::kServiceLog;
  const SpawnOrder order{.spec = *errand.spec,
                         .slot = 0,
                         .generation = errand.generation,
                         .token = token,
                         .purpose = has_log ? Purpose::kErrand : Purpose::kCheck,
                         .command = &errand.command,
                         .variables = errand.variables,
                         .input = errand.input};
  if (const auto spawned = parts_.spawner.Spawn(order); !spawned) {
    return done(CannotStart(spawned.error()));
  }
  running_.emplace(token, Running{.done = std::move(done),
                                  .output = errand.output,
                                  .time = errand.time,
                                  .until = os::Now() + errand.time,
                                  .trouble = {}});
}

bool Errands::TakeReport(const keeper::Report& report) {
  const auto find = [this](Token token) {
    const auto found = running_.find(token);
    return found == running_.end() ? nullptr : &found->second;
  };
  if (const auto* started = std::get_if<keeper::Started>(&report)) {
    if (find(started->token) == nullptr) return false;
    parts_.spawner.OnStarted(started->token);
    return true;
  }
  if (const auto* failed = std::get_if<keeper::SpawnFailed>(&report)) {
    if (find(failed->token) == nullptr) return false;
    parts_.spawner.OnSpawnFailed(failed->token);
    End(failed->token, CannotStart({failed->stage, failed->error_number, {}}));
    return true;
  }
  if (const auto* exited = std::get_if<keeper::Exited>(&report)) {
    Running* const running = find(exited->token);
    if (running != nullptr) OnExited(*running, exited->token, exited->record.status);
    return running != nullptr;
  }
  if (const auto* gone = std::get_if<keeper::Gone>(&report)) {
    Running* const running = find(gone->token);
    if (running == nullptr) return false;
    parts_.spawner.Acknowledge(gone->token);
    End(gone->token, std::move(running->trouble));
    return true;
  }
  const auto* fired = std::get_if<keeper::KillFired>(&report);
  return fired != nullptr && find(fired->token) != nullptr;
}

void Errands::OnExited(Running& running, Token token, const ExitStatus& status) {
  running.until = kNever;
  if (running.is_late) {
    running.trouble = "was killed after " + control::LimitText(running.time.count());
  } else if (!status.success()) {
    running.trouble = status.Text();
  }
  // What it leaves behind is nobody's.
  parts_.keeper.Send(keeper::Kill{token});
}

void Errands::End(Token token, std::string trouble) {
  const auto found = running_.find(token);
  const Done done = std::move(found->second.done);
  running_.erase(found);
  done(trouble);
}

Instant Errands::deadline() const {
  Instant earliest = kNever;
  for (const auto& [token, running] : running_) earliest = std::min(earliest, running.until);
  return earliest;
}

void Errands::OnTime(Instant now) {
  for (auto& [token, running] : running_) {
    if (running.until > now) continue;
    running.until = kNever;
    running.is_late = true;
    parts_.keeper.Send(keeper::Kill{token});
  }
}

}  // namespace oxherd
