#include "keeper/keeper.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "base/check.h"
#include "keeper/watch_key.h"
#include "os/clock.h"
#include "os/process.h"

namespace oxherd::keeper {
namespace {

// Requests taken before the rest of the world is looked at again: a spawn takes up to a
// millisecond, and deadlines are kept to a few.
constexpr int kRequestsAtOnce = 8;
constexpr int kFetchesAtOnce = 32;
// Looking whether the control socket is still there, and whether cgroups lie about unused.
constexpr Duration kMendEvery = Seconds(5);
// The kernel has no memory or no room for descriptors in flight: nothing tells when it has again.
constexpr Duration kSendAgainAfter = Millis(20);

}  // namespace

int Keeper::Run() {
  const Instant now = os::Now();
  mend_at_ = now + kMendEvery;
  ReapAll(now);  // what ended while another program was in our place
  book_.OnTick(now);
  Perform(now);
  while (!exit_code_) WaitOnce();
  home_.RemoveControlSocket();
  EndJournal();
  processes_->RemoveCgroups();
  return *exit_code_;
}

void Keeper::WaitOnce() {
  std::array<os::Ready, 32> places;
  const Instant until =
      std::min({book_.NextDeadline(), send_again_at_, mend_at_, systemd_.NextDeadline()});
  const std::span<const os::Ready> ready = poller_.Wait(until, places);
  const Instant now = os::Now();
  for (const os::Ready& one : ready) Handle(one, now);
  book_.OnTick(now);
  Perform(now);
  processes_->LookAfterTrees(now);
  Perform(now);
  WriteJournal();
  const bool is_idle = ready.empty() && now >= mend_at_;
  if (now >= mend_at_) MendControlSocket(now);
  SendReports(now);
  TellSystemd(now);
  if (is_idle) os::ReleaseProgramPages();
}

void Keeper::Handle(const os::Ready& ready, Instant now) {
  const WatchKey key = WatchKey::Unpack(ready.key);
  switch (key.kind) {
    case WatchKey::Kind::kSignals:
      HandleSignals(now);
      break;
    case WatchKey::Kind::kDaemonSocket:
      if (ready.readable) HandleDaemonSocket(now);
      break;
    case WatchKey::Kind::kDaemonStart:
      HandleDaemonStart(now);
      break;
    case WatchKey::Kind::kProcessStart:
      processes_->OnStartReport(key, now);
      break;
    case WatchKey::Kind::kCgroup:
      processes_->OnCgroupChanged(key, now);
      break;
    case WatchKey::Kind::kInherited:
      processes_->OnInheritedEnded(key, now);
      break;
    case WatchKey::Kind::kMember:
      processes_->OnMemberEnded(key);
      break;
    case WatchKey::Kind::kFetchSocket:
      HandleFetches();
      break;
  }
  Perform(now);
}

// Requests beyond these wait for the next turn of the loop: who floods us only delays others like
// it.
void Keeper::HandleFetches() {
  std::array<std::byte, sizeof(OxherdFetchRequest)> buffer{};
  for (int i = 0; i < kFetchesAtOnce; ++i) {
    const auto asked = fetch_socket_->Receive(buffer);
    if (!asked) return;
    const auto request = ParseFetchRequest(std::span<const std::byte>(buffer).first(asked->size));
    if (!request) continue;
    const Processes::Fetched fetched = processes_->Fetch(*request, asked->uid);
    const OxherdFetchAnswer answer{.version = OXHERD_FETCH_VERSION,
                                   .verdict = static_cast<std::uint32_t>(fetched.verdict)};
    fetch_socket_->Answer(*asked, std::as_bytes(std::span(&answer, 1)), fetched.descriptor);
  }
}

// ---- Signals and children. ----

void Keeper::HandleSignals(Instant now) {
  for (;;) {
    const os::SystemResult<std::optional<os::SignalSeen>> seen = os::NextSignal(signals_.get());
    if (!seen || !*seen) break;
    const os::SignalSeen& signal = **seen;
    if (signal.number == SIGCHLD) continue;
    // The kernel says SIGHUP when the terminal is gone: in the foreground that is the end.
    const bool terminal_is_gone = signal.number == SIGHUP && signal.from_kernel;
    if (terminal_is_gone && ground_ == Ground::kBackground) continue;
    const int meant = terminal_is_gone ? SIGTERM : signal.number;
    book_.OnOperatorSignal(static_cast<std::uint8_t>(meant), now);
    Perform(now);
  }
  ReapAll(now);
}

void Keeper::ReapAll(Instant now) {
  while (const std::optional<Processes::ReapedOne> reaped = processes_->Reap(now)) {
    Perform(now);
    if (reaped->was_daemon) OnDaemonReaped(now);
  }
}

// ---- The daemon. ----

void Keeper::StartDaemonNow(Instant now) {
  start_failure_ = 0;
  const os::SystemResult<Pid> started = daemon_->Start(home_.control_socket(), home_.lock());
  if (started) {
    processes_->OnDaemonForked(*started);
  } else {
    start_failure_ = started.error().number;
    book_.OnDaemonStartFailed(now);
  }
}

void Keeper::HandleDaemonStart(Instant now) {
  const os::ChildReport report = daemon_->ReadStart();
  switch (report.state) {
    case os::ChildReport::State::kPending:
    case os::ChildReport::State::kDied:  // its end is on its way
      break;
    case os::ChildReport::State::kRuns:
      book_.OnDaemonStarted(now);
      break;
    case os::ChildReport::State::kFailed:
      // Told to the book when the child is reaped: there is never more than one daemon.
      start_failure_ = report.failure.error_number;
      break;
  }
}

void Keeper::HandleDaemonSocket(Instant now) {
  for (int taken = 0; taken < kRequestsAtOnce && book_.accepts_requests(); ++taken) {
    const Took took = TakeRequest(now);
    if (took == Took::kNothing) return;
    if (took == Took::kEnd) return OnSocketClosed(now);
  }
}

// Its end as a process is seen when it is reaped; until then a closed socket would wake us without
// end.
void Keeper::OnSocketClosed(Instant now) {
  while (TakeRequest(now) == Took::kOne) {
  }
  daemon_->StopListening();
  book_.OnDaemonSilent();
  Perform(now);
}

Keeper::Took Keeper::TakeRequest(Instant now) {
  MessageBuffer buffer;
  os::SystemResult<os::Received> received = os::ReceiveMessage(daemon_->socket(), buffer);
  if (!received) return received.error().number == EAGAIN ? Took::kNothing : Took::kEnd;
  if (received->size == 0) return Took::kEnd;
  const std::span<os::Fd> attached =
      std::span(received->descriptors).first(received->descriptor_count);
  const std::optional<Request> request =
      DecodeRequest(std::span<const std::byte>(buffer).first(received->size));
  if (!request) {
    book_.OnUnreadableRequest();
  } else if (!received->complete || AttachedCount(*request) != attached.size()) {
    book_.OnRequestWithoutDescriptors(*request);
  } else {
    book_.OnRequest(*request, now);
    Perform(now, &*request, attached);
  }
  return Took::kOne;
}

// What it had sent before its end is carried out first: the next one counts on it.
void Keeper::OnDaemonReaped(Instant now) {
  HandleDaemonStart(now);
  while (daemon_->has_socket() && TakeRequest(now) == Took::kOne) {
  }
  daemon_->Forget();
  if (start_failure_ != 0) {
    book_.OnDaemonStartFailed(now);
  } else {
    book_.OnDaemonGone(now);
  }
  Perform(now);
}

// ---- Effects and reports. ----

void Keeper::Perform(Instant now, const Request* request, std::span<os::Fd> attached) {
  while (const std::optional<Effect> effect = book_.NextEffect()) {
    Carry(*effect, now, request, attached);
    // At once, as the child will run whatever becomes of us.
    if (std::holds_alternative<SpawnProcess>(*effect)) WriteJournal();
  }
}

void Keeper::Carry(const Effect& effect, Instant now, const Request* request,
                   std::span<os::Fd> attached) {
  if (const auto* spawn = std::get_if<SpawnProcess>(&effect)) {
    OXHERD_CHECK(request != nullptr, "a spawn is carried out while its request is at hand");
    processes_->Carry(*spawn, std::get<Spawn>(*request), attached, now);
  } else if (const auto* signal = std::get_if<SendSignal>(&effect)) {
    processes_->Carry(*signal);
  } else if (const auto* kill = std::get_if<KillTree>(&effect)) {
    processes_->Carry(*kill);
  } else if (const auto* forget = std::get_if<Forget>(&effect)) {
    processes_->Carry(*forget, now);
  } else if (const auto* hold = std::get_if<HoldDescriptor>(&effect)) {
    processes_->Carry(*hold, std::move(attached[0]));
  } else if (const auto* drop = std::get_if<DropDescriptor>(&effect)) {
    processes_->Carry(*drop);
  } else if (std::holds_alternative<StartDaemon>(effect)) {
    StartDaemonNow(now);
  } else if (const auto* to_daemon = std::get_if<SignalDaemon>(&effect)) {
    daemon_->SendSignal(to_daemon->signal);
  } else if (std::holds_alternative<keeper::NoteUpgrade>(effect)) {
    NoteUpgrade(attached[0].get());
  } else if (std::holds_alternative<ExecKeeper>(effect)) {
    ExecAnew(now);
  } else if (const auto* exit = std::get_if<ExitKeeper>(&effect)) {
    const bool leaves_instances = exit->code == 0 && book_.alive() > 0;
    exit_code_ = leaves_instances && systemd_.has_listener() ? kExitLeavingInstances : exit->code;
  }
}

void Keeper::SendReports(Instant now) {
  send_again_at_ = kNever;
  bool must_wait = false;
  while (daemon_->listens() && !must_wait) {
    const std::optional<Outgoing> outgoing = book_.NextReport();
    if (!outgoing) break;
    MessageBuffer buffer;
    std::array<int, os::kMaxPassed> numbers{};
    std::size_t count = processes_->Attach(*outgoing, numbers);
    if (std::holds_alternative<NewControlSocket>(outgoing->report)) {
      numbers[count++] = home_.control_socket();
    }
    const os::SystemStatus sent = os::SendMessage(
        daemon_->socket(), Encode(outgoing->report, buffer), std::span(numbers).first(count));
    if (sent) {
      book_.ReportSent();
      continue;
    }
    const int number = sent.error().number;
    if (number == EPIPE || number == ECONNRESET) {
      OnSocketClosed(now);
      return;
    }
    must_wait = true;
    if (number != EAGAIN) send_again_at_ = now + kSendAgainAfter;
  }
  Perform(now);
  const bool reads = book_.accepts_requests();
  const bool writes = must_wait && send_again_at_ == kNever;
  if (reads) {
    daemon_->Want(writes ? os::Wanted::kReadableOrWritable : os::Wanted::kReadable);
  } else {
    daemon_->Want(writes ? os::Wanted::kWritable : os::Wanted::kNothing);
  }
}

void Keeper::MendControlSocket(Instant now) {
  mend_at_ = now + kMendEvery;
  processes_->Tidy(now);
  if (home_.MendControlSocket()) book_.OnControlSocketMade();
  if (journal_.IsMissing()) BeginJournal();
}

void Keeper::TellSystemd(Instant now) {
  using Daemon = SystemdNotice::Daemon;
  Daemon daemon = book_.daemon_number() <= 1 ? Daemon::kStarting : Daemon::kDown;
  if (book_.daemon_is_at_work()) daemon = Daemon::kAtWork;
  systemd_.Tell({.daemon = daemon,
                 .daemon_pid = daemon_->pid(),
                 .processes = book_.alive(),
                 .stops = book_.is_ending()},
                now);
}

}  // namespace oxherd::keeper
