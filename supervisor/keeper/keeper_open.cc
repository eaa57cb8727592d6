// How the keeper begins: the home, what an earlier one has left, and what it waits for.
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "keeper/foundlings.h"
#include "keeper/handover.h"
#include "keeper/inheritance.h"
#include "keeper/keeper.h"
#include "keeper/watch_key.h"
#include "os/cgroup.h"
#include "os/clock.h"
#include "os/former_process.h"
#include "os/lock.h"
#include "os/process.h"

namespace oxherd::keeper {
namespace {

constexpr std::uint32_t kMostProcesses = 16'384;
constexpr std::uint32_t kMostHeld = 4'096;

// A daemon that has lost its keeper waits as long for us.
constexpr Duration kDaemonGivesWithin = Seconds(5);
constexpr std::size_t kMostEstateBytes = std::size_t{32} << 20;

// Instances are killed before the supervisor when memory runs out.
std::optional<int> OomScoreForChildren() {
  constexpr int kMoreThanUs = 100;
  constexpr int kMost = 1000;
  const int own = os::OomScoreAdj();
  const int wanted = ::geteuid() == 0 ? 0 : std::min(own + kMoreThanUs, kMost);
  if (wanted == own) return std::nullopt;
  return wanted;
}

// The lock says who took it; it is still held, by the daemon of a keeper that is dead.
bool HolderIsDead(const std::string& state) {
  const auto holder = os::ReadLock(state + "/" + kLockName);
  if (!holder || !*holder || !(*holder)->pid.is_set()) return false;
  const auto stat = os::ReadStat((*holder)->pid);
  return !stat || stat->state == 'Z' || stat->state == 'X';
}

// What an earlier keeper has written down; where that cannot be read, what marks itself as ours.
// Nothing where the last keeper of this home came to its end in order.
std::optional<Estate> FindEstate(const Arguments& arguments, std::vector<std::string>& warnings) {
  Result<std::optional<Estate>> written = Journal::Read(arguments.runtime);
  if (written && !*written && !Journal::WasLeft(arguments.state)) return std::nullopt;
  const std::size_t damaged = written && *written ? (*written)->damaged : 0;
  if (written && *written && damaged == 0) return std::move(*written);
  Estate found = FindFoundlings(arguments.state);
  const std::string count = std::to_string(found.processes.size());
  if (!written) {
    warnings.push_back(written.error().message + "; " + count +
                       " processes were found by their environment instead");
    return found;
  }
  if (!*written) return found;
  warnings.push_back(arguments.runtime + "/" + kJournalName + ": " + std::to_string(damaged) +
                     " entries are damaged; looked for processes by their environment too");
  for (const LeftProcess& one : found.processes) {
    const auto is_known = [&](const LeftProcess& known) {
      return known.facts.token == one.facts.token;
    };
    if (!std::ranges::any_of((*written)->processes, is_known)) (*written)->processes.push_back(one);
  }
  (*written)->highest = std::max((*written)->highest, found.highest);
  return std::move(*written);
}

// Nobody serves the home, or only the daemon of a keeper that is dead.
Result<Home> OpenHome(const Arguments& arguments, Inheritance& left,
                      std::vector<std::string>& warnings) {
  Result<Home> home = Home::Open(arguments.state, arguments.runtime);
  if (!home && HolderIsDead(arguments.state)) {
    std::optional<Estate> given = AskForEstate(arguments.runtime, kDaemonGivesWithin);
    if (!given) return home;
    AddUnwritten(*given, arguments.state);
    left = TakeOver(std::move(*given), os::Now());
    if (!left.lock || !left.control_socket) return MakeError("the daemon has not given its home");
    return Home::Inherit(arguments.runtime, std::move(left.lock), std::move(left.control_socket));
  }
  if (!home) return home;
  std::optional<Estate> estate = FindEstate(arguments, warnings);
  if (!estate) return home;
  AddUnwritten(*estate, arguments.state);
  if (auto found = FindAgain(std::move(*estate), os::Now())) left = std::move(*found);
  return home;
}

Result<Home> InheritHome(const Arguments& arguments, Inheritance& left,
                         std::vector<std::string>& warnings) {
  const os::Fd memfd(arguments.estate);
  const auto mapping = os::Mapping::Open(memfd.get(), kMostEstateBytes);
  if (!mapping) return os::ToError("read the estate", mapping.error());
  OXHERD_TRY_ASSIGN(Estate estate, DecodeEstate(mapping->bytes()));
  if (estate.damaged != 0) {
    warnings.push_back("the estate has " + std::to_string(estate.damaged) + " damaged entries");
  }
  AddUnwritten(estate, arguments.state);
  left = TakeOver(std::move(estate), os::Now());
  if (!left.lock || !left.control_socket) return MakeError("the estate has no home");
  return Home::Inherit(arguments.runtime, std::move(left.lock), std::move(left.control_socket));
}

// Living instances know the old one by its name. Without any, children still inherit their sockets.
std::optional<os::FetchSocket> OpenFetchSocket(Inheritance& left) {
  const std::string& text = left.preamble.listen_socket;
  if (left.fetch_socket) return os::FetchSocket(std::move(left.fetch_socket), text);
  if (!left.processes.empty() && !text.empty()) {
    if (Result<os::FetchSocket> again = os::FetchSocket::OpenAgain(text)) return std::move(*again);
  }
  if (Result<os::FetchSocket> opened = os::FetchSocket::Open()) return std::move(*opened);
  return std::nullopt;
}

}  // namespace

Keeper::Keeper(const Arguments& arguments, Home home, os::Poller poller, os::Fd signals,
               std::optional<os::FetchSocket> fetch_socket)
    : ground_(arguments.ground),
      home_(std::move(home)),
      poller_(std::move(poller)),
      signals_(std::move(signals)),
      fetch_socket_(std::move(fetch_socket)),
      book_({.processes = kMostProcesses,
             .held = kMostHeld,
             .heartbeat = true,
             .keeper = Pid(::getpid()),
             .listen_socket = fetch_socket_ ? Name(fetch_socket_->text()) : Name()}),
      journal_(arguments.runtime, arguments.state),
      arguments_(arguments) {}

Result<std::unique_ptr<Keeper>> Keeper::Open(const Arguments& arguments) {
  std::vector<std::string> warnings;
  Inheritance left;
  OXHERD_TRY_ASSIGN(Home home, arguments.estate < 0 ? OpenHome(arguments, left, warnings)
                                                    : InheritHome(arguments, left, warnings));
  os::SystemResult<os::Poller> poller = os::Poller::Open();
  if (!poller) return os::ToError("epoll", poller.error());
  os::SystemResult<os::Fd> signals = os::OpenSignals();
  if (!signals) return os::ToError("signalfd", signals.error());
  // Without it children still inherit their sockets.
  std::optional<os::FetchSocket> fetch_socket = OpenFetchSocket(left);
  std::unique_ptr<Keeper> keeper(new Keeper(arguments, std::move(home), std::move(*poller),
                                            std::move(*signals), std::move(fetch_socket)));
  keeper->systemd_ = SystemdNotice::OfThisProcess();
  keeper->warnings_ = std::move(warnings);
  OXHERD_TRY(keeper->Prepare(arguments, left));
  keeper->Inherit(std::move(left));
  keeper->BeginJournal();
  return keeper;
}

Status Keeper::Prepare(const Arguments& arguments, Inheritance& left) {
  if (const os::SystemStatus done = os::BecomeSubreaper(); !done) {
    return os::ToError("become subreaper", done.error());
  }
  const os::SystemResult<os::OpenFiles> open_files = os::RaiseOpenFiles();
  if (!open_files) return os::ToError("raise the limit of open files", open_files.error());
  open_files_ = *open_files;
  if (left.preamble.open_files_hard != 0) {
    open_files_ = {.soft = left.preamble.open_files_soft, .hard = left.preamble.open_files_hard};
  }
  os::StepAside();
  const Processes::Settings settings{
      .processes = kMostProcesses,
      .held = kMostHeld,
      .defaults = {.open_files = open_files_, .oom_score_adj = OomScoreForChildren()},
      .left_cgroups = left.preamble.cgroup_root};
  OXHERD_TRY_ASSIGN(Processes processes, Processes::Open(settings, book_, poller_));
  processes_.emplace(std::move(processes));
  OXHERD_TRY_ASSIGN(daemon_, DaemonProcess::Open(arguments, poller_, std::move(left.image)));
  return Watch();
}

Status Keeper::Watch() {
  const auto watch = [this](int fd, WatchKey::Kind kind) -> Status {
    const WatchKey key = WatchKey::Of(kind, 0, Token());
    const auto added = poller_.Add(fd, os::Wanted::kReadable, key.Pack());
    if (!added) return os::ToError("epoll", added.error());
    return {};
  };
  OXHERD_TRY(watch(signals_.get(), WatchKey::Kind::kSignals));
  if (!fetch_socket_) return {};
  return watch(fetch_socket_->number(), WatchKey::Kind::kFetchSocket);
}

}  // namespace oxherd::keeper
