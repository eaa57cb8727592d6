#include "tests/sim/kernel.h"

#include <algorithm>

namespace oxherd::sim {
namespace {

// `from` + `length`, where kForever stays for ever.
Instant After(Instant from, Duration length) { return length == kForever ? kNever : from + length; }

}  // namespace

bool Process::IsReady(Instant now) const {
  const bool binds = behaviour.wants == Wants::kAny || !socket || has_asked;
  return life == Life::kRunning && binds && behaviour.ready_after != kForever &&
         now >= started_at + behaviour.ready_after;
}

bool Process::IsHealthy(Instant now) const {
  if (!IsReady(now)) return false;
  if (behaviour.sick_after == kForever || now < started_at + behaviour.sick_after) return true;
  return behaviour.sick_for != kForever &&
         now >= started_at + behaviour.sick_after + behaviour.sick_for;
}

void Kernel::Fork(Process process, Instant now) {
  process.forked_at = now;
  process.exec_at = now + process.behaviour.exec_after;
  process.status = process.behaviour.exit_status;
  processes_.push_back(std::move(process));
}

void Kernel::Signal(Token token, Instant now) {
  Process* process = Find(token);
  if (process == nullptr) return;
  process->was_hit_in_doubt |= process->is_in_doubt;
  ++process->stop_signals;
  if (process->life != Process::Life::kRunning || !process->behaviour.heeds_signal) return;
  if (process->behaviour.shuts_at_signal) process->shut_at = std::min(process->shut_at, now);
  const Instant end = now + process->behaviour.dies_after_signal;
  if (end >= process->exit_at) return;
  process->exit_at = end;
  process->status = process->behaviour.status_after_signal;
}

void Kernel::Kill(Token token, Instant now) {
  Process* process = Find(token);
  if (process == nullptr || process->life == Process::Life::kGone) return;
  process->was_hit_in_doubt |= process->is_in_doubt;
  process->killed_at = std::min(process->killed_at, now);
  const Instant end = now + process->behaviour.dies_after_kill;
  if (process->life == Process::Life::kMainGone) {
    process->empty_at = std::min(process->empty_at, end);
  } else if (end < process->exit_at) {
    process->exit_at = end;
    process->status = ExitStatus::Signal(9);
  }
}

void Kernel::NoteKillAt(Token token, Instant kill_at) {
  if (Process* process = Find(token)) process->kill_at = std::min(process->kill_at, kill_at);
}

void Kernel::ForgetUnheardStop(Token token) {
  Process* process = Find(token);
  const bool is_unheard = process != nullptr && process->stop_signals == 0;
  if (is_unheard && process->killed_at == kNever) process->kill_at = kNever;
}

void Kernel::Forget(Token token) {
  std::erase_if(processes_, [token](const Process& one) { return one.token == token; });
}

void Kernel::Strike(Token token, ExitStatus status, Instant now) {
  Process* process = Find(token);
  if (process == nullptr || process->life != Process::Life::kRunning) return;
  if (now >= process->exit_at) return;
  process->exit_at = now;
  process->status = status;
}

void Kernel::CalmDown(Instant now) {
  for (Process& process : processes_) {
    Behaviour& behaviour = process.behaviour;
    behaviour.sick_after = kForever;
    behaviour.dies_after_kill = {};
    behaviour.shuts_after = kForever;
    process.shut_at = kNever;
    if (!process.has_asked) behaviour.wants = Wants::kAny;
    if (process.life == Process::Life::kMainGone) {
      process.empty_at = std::min(process.empty_at, now);
      continue;
    }
    behaviour.tree_lingers = {};
    if (process.is_in_doubt) {  // somebody ends it: the remark on it tells him to
      process.exit_at = std::min(process.exit_at, now + Millis(50));
    }
    if (process.kind != ProcessKind::kInstance) {
      behaviour.exit_after = Millis(50);
      if (process.life == Process::Life::kRunning) {
        process.exit_at = std::min(process.exit_at, now + Millis(50));
      }
      continue;
    }
    if (behaviour.ready_after == kForever) {
      behaviour.ready_after = {};  // had it been well, it would have been ready by now
    }
    if (behaviour.is_to_end && behaviour.exit_after == kForever) {
      behaviour.exit_after = Millis(50);
      behaviour.exit_status = ExitStatus::Code(0);
      if (process.life == Process::Life::kRunning && process.exit_at == kNever) {
        process.exit_at = now + Millis(50);
        process.status = behaviour.exit_status;
      }
    }
    const bool doomed = process.stop_signals != 0 || process.killed_at != kNever;
    if (process.killed_at != kNever) process.exit_at = std::min(process.exit_at, now);
    if (doomed && !behaviour.heeds_signal) continue;  // its kill_at will come
    if (doomed) {
      if (process.life == Process::Life::kRunning) {
        process.exit_at = std::min(process.exit_at, now + Millis(50));
      }
    }
  }
}

Instant Kernel::Due(const Process& process) {
  switch (process.life) {
    case Process::Life::kForked:
      return std::min(process.exec_at, process.exit_at);
    case Process::Life::kRunning:
      return process.exit_at;
    case Process::Life::kMainGone:
      return process.empty_at;
    case Process::Life::kGone:
      break;
  }
  return kNever;
}

Instant Kernel::Next() const {
  Instant next = kNever;
  for (const Process& process : processes_) next = std::min(next, Due(process));
  return next;
}

KernelFact Kernel::Take(Instant now, Random& random) {
  std::size_t due = 0;
  for (const Process& process : processes_) due += Due(process) <= now ? 1U : 0U;
  std::size_t chosen = due > 1 ? random.Below(due) : 0;
  for (Process& process : processes_) {
    if (Due(process) > now) continue;
    if (chosen-- == 0) return Happen(process, now);
  }
  return {};  // not reached: the caller looked at Next()
}

KernelFact Kernel::Happen(Process& process, Instant now) {
  using Life = Process::Life;
  KernelFact fact;
  fact.token = process.token;
  const Behaviour& behaviour = process.behaviour;
  switch (process.life) {
    case Life::kForked:
      if (behaviour.spawn_fails || process.exit_at <= now) {  // killed before its exec
        fact.kind = KernelFact::Kind::kSpawnFailed;
        fact.stage = behaviour.spawn_fails ? behaviour.stage : keeper::Stage::kDied;
        fact.number = behaviour.spawn_fails ? behaviour.number : 0;
        process.life = Life::kGone;
        break;
      }
      fact.kind = KernelFact::Kind::kStarted;
      process.life = Life::kRunning;
      process.started_at = now;
      process.exit_at = After(now, behaviour.exit_after);
      process.shut_at = After(now, behaviour.shuts_after);
      break;
    case Life::kRunning:
      fact.kind = KernelFact::Kind::kExited;
      fact.status = process.status;
      process.life = Life::kMainGone;
      process.main_gone_at = now;
      process.empty_at = process.killed_at != kNever ? now : After(now, behaviour.tree_lingers);
      break;
    case Life::kMainGone:
      fact.kind = KernelFact::Kind::kEmpty;
      process.life = Life::kGone;
      break;
    case Life::kGone:
      break;
  }
  return fact;
}

bool Kernel::GetOn(Token token, Instant now) {
  Process* const process = Find(token);
  if (process == nullptr) return false;
  if (process->life == Process::Life::kForked) (void)Happen(*process, now);
  return process->life == Process::Life::kRunning;
}

void Kernel::EndUnseen(Token token, Instant now) {
  Process* const process = Find(token);
  if (process != nullptr && process->life == Process::Life::kRunning) (void)Happen(*process, now);
}

void Kernel::PutInDoubt(Token token) {
  if (Process* process = Find(token)) process->is_in_doubt = true;
}

Process* Kernel::Find(Token token) {
  for (Process& process : processes_) {
    if (process.token == token) return &process;
  }
  return nullptr;
}
const Process* Kernel::Find(Token token) const { return const_cast<Kernel*>(this)->Find(token); }

}  // namespace oxherd::sim
