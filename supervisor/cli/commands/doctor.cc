#include "cli/commands/doctor.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "cli/commands/commands.h"
#include "cli/commands/service.h"
#include "control/words.h"
#include "os/cgroup.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/port_holder.h"

namespace oxherd::cli {
namespace {

using control::Command;
using Kind = Finding::Kind;

constexpr std::uint64_t kFewFiles = 4096;
constexpr std::uint64_t kShortBacklog = 1024;
constexpr std::uint64_t kLittleRoom = 64UL * 1024 * 1024;
constexpr std::size_t kMostFact = 64UL * 1024;

std::uint64_t NumberIn(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// "Max open files            1024                 524288               files"
std::uint64_t OpenFilesOf(Pid pid) {
  const auto limits = os::ReadFile("/proc/" + std::to_string(pid.number()) + "/limits", kMostFact);
  if (!limits) return 0;
  const std::size_t line = limits->find("Max open files");
  if (line == std::string::npos) return 0;
  const std::size_t number = limits->find_first_of("0123456789", line);
  return number == std::string::npos ? 0 : NumberIn(std::string_view(*limits).substr(number));
}

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string UserName() {
  const char* const user = std::getenv("USER");  // NOLINT(concurrency-mt-unsafe): one thread
  return user == nullptr ? "" : user;
}

// Whether instances can have cgroups of their own: a folder of the daemon's own cgroup is ours.
bool HasCgroup(Pid daemon) {
  const auto folder = os::CgroupDirectoryOf(daemon);
  return folder && ::access(folder->c_str(), W_OK) == 0;
}

class Examination {
 public:
  explicit Examination(const Session& session) : session_(session) {}

  std::vector<Finding> Do() {
    LookForDaemon();
    LookAtFolders();
    LookAtMachine();
    LookAtServices();
    return std::move(findings_);
  }

 private:
  void Add(Kind kind, std::string what, std::string mend = {}) {
    findings_.push_back({kind, std::move(what), std::move(mend)});
  }
  void Add(std::vector<Finding> more) {
    for (Finding& finding : more) findings_.push_back(std::move(finding));
  }

  void LookForDaemon() {
    auto reply = Ask(session_, Command::kDaemonStatus, {});
    if (!reply) return ExplainNoDaemon(reply.error());
    if (!reply->daemon) return Add(Kind::kBad, "the daemon's answer cannot be read");
    daemon_ = std::move(reply->daemon);
    Add(Kind::kGood, "the daemon answers: pid " + std::to_string(daemon_->pid.number()));
    if (daemon_->version != Version()) {
      Add(Kind::kBad,
          "this is version " + std::string(Version()) + ", the daemon is " +
              Clean(daemon_->version),
          "oxherd daemon upgrade");
    }
    for (const std::string& warning : daemon_->warnings) {
      Add(Kind::kBad, Clean(warning), "oxherd daemon logs");
    }
  }

  void ExplainNoDaemon(const NotConnected& problem) {
    const std::string socket = session_.places.run + "/" + kControlSocket;
    const auto holder = os::ReadLock(session_.places.lock());
    const bool runs = holder && *holder;
    if (runs) {
      Add(Kind::kBad, "a daemon runs, but does not answer: " + problem.message,
          "kill -9 " + std::to_string((*holder)->pid.number()) +
              "  # its keeper; services keep running, and oxherd daemon start finds them");
    } else if (Exists(socket)) {
      Add(Kind::kBad, "no daemon runs, but its socket is there: " + socket,
          "oxherd daemon start  # it is made anew");
    } else {
      Add(Kind::kAdvice, "no daemon runs", "oxherd start, or oxherd daemon start");
    }
  }

  void LookAtFolders() {
    for (const std::string& folder :
         {session_.places.state, session_.places.logs, session_.places.run}) {
      if (!Exists(folder)) continue;  // it is made when it is needed
      if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        Add(Kind::kBad, folder + " cannot be written",
            fmt::format("chown -R {} {}; chmod u+rwx {}", UserName(), folder, folder));
        continue;
      }
      struct statvfs disk{};
      if (::statvfs(folder.c_str(), &disk) != 0) continue;
      const std::uint64_t room = disk.f_bavail * disk.f_frsize;
      if (room < kLittleRoom) {
        Add(Kind::kBad, folder + " has only " + control::BytesText(room) + " left on its disk",
            "oxherd flush all, or max_total_mb in [logging]");
      }
    }
  }

  void LookAtMachine() {
    MachineFacts facts;
    rlimit own{};
    if (::getrlimit(RLIMIT_NOFILE, &own) == 0) facts.open_files = own.rlim_cur;
    const Pid asked = daemon_ ? daemon_->keeper_pid : Pid(::getpid());
    if (const std::uint64_t files = OpenFilesOf(asked); files != 0) facts.open_files = files;
    if (const auto text = os::ReadFile("/proc/sys/net/core/somaxconn", kMostFact)) {
      facts.backlog = NumberIn(*text);
    }
    facts.has_cgroup = HasCgroup(asked);
    facts.is_user_daemon = session_.places.uid != 0;
    facts.has_systemd = Exists("/run/systemd/system");
    facts.lingers = Exists("/var/lib/systemd/linger/" + UserName());
    facts.comes_back = ComesBack(session_.places, UserName());
    Add(JudgeMachine(facts, UserName()));
  }

  void LookAtServices() {
    if (!daemon_) return;
    const auto reply = Ask(session_, Command::kStatus, session_.options.names);
    if (!reply) return;
    if (reply->code == ExitCode::kAskedWrongly) return Add(Kind::kBad, Clean(reply->error));
    for (const control::ServiceDetail& detail : reply->details) Examine(detail);
  }

  void Examine(const control::ServiceDetail& detail) {
    const std::string name = Clean(detail.name);
    bool is_well = true;
    const auto say = [&](Kind kind, std::string what, std::string mend) {
      is_well = false;
      Add(kind, std::move(what), std::move(mend));
    };
    if (!detail.file_problem.empty()) {
      say(Kind::kBad, name + ": its Oxfile: " + Clean(detail.file_problem),
          "oxherd validate " + Clean(detail.oxfile));
    }
    for (const control::Row& row : detail.instances) {
      if (row.state == "failed" || row.state == "backoff" || row.state == "unhealthy") {
        say(Kind::kBad,
            Clean(row.name()) + " is " + row.state +
                (row.reason.empty() ? "" : ": " + Clean(row.reason)),
            "oxherd logs " + name + " --err");
      }
      if (!row.remark.empty()) {
        say(Kind::kBad, Clean(row.name()) + ": " + Clean(row.remark), "oxherd status " + name);
      }
    }
    for (const control::PoolRow& pool : detail.pools) {
      if (pool.steering.empty()) continue;
      say(Kind::kAdvice,
          name + " " + Clean(pool.address) +
              ": new clients are not steered: " + Clean(pool.steering),
          "");
    }
    if (!detail.differences.empty()) {
      say(Kind::kAdvice, name + " runs with another definition than its Oxfile has now",
          "oxherd reload " + name);
    }
    LookAtPorts(detail, is_well);
    if (is_well && detail.wanted) Add(Kind::kGood, name + " is well");
  }

  // Somebody else at an address that the service wants, while it does not run.
  void LookAtPorts(const control::ServiceDetail& detail, bool& is_well) {
    std::vector<PortFacts> ports;
    const bool serves = std::ranges::any_of(
        detail.instances, [](const control::Row& row) { return row.pid.is_set(); });
    if (serves || !detail.wanted) return;
    for (const control::Row& row : detail.instances) {
      for (const std::string& address : row.listen) {
        const std::size_t colon = address.rfind(':');
        if (colon == std::string::npos) continue;
        const auto port = NumberIn(std::string_view(address).substr(colon + 1));
        if (port == 0 || port > 65535) continue;
        const auto holder = os::HolderOf(static_cast<std::uint16_t>(port));
        if (!holder || !holder->pid.is_set()) continue;
        ports.push_back(
            {detail.name, static_cast<std::uint16_t>(port),
             "pid " + std::to_string(holder->pid.number()) + " (" + holder->command + ")"});
      }
    }
    auto found = JudgePorts(ports);
    if (!found.empty()) is_well = false;
    Add(std::move(found));
  }

  const Session& session_;
  std::optional<control::DaemonDetail> daemon_;
  std::vector<Finding> findings_;
};

std::string Render(const Screen& screen, const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    switch (finding.kind) {
      case Kind::kGood:
        text += Painted(screen, Paint::kGood, "✓") + " ";
        break;
      case Kind::kAdvice:
        text += Painted(screen, Paint::kDim, "·") + " ";
        break;
      case Kind::kBad:
        text += Painted(screen, Paint::kBad, "✗") + " ";
        break;
    }
    text += finding.what + "\n";
    if (!finding.mend.empty()) text += "    " + finding.mend + "\n";
  }
  return text;
}

}  // namespace

std::vector<Finding> JudgeMachine(const MachineFacts& facts, std::string_view user) {
  std::vector<Finding> findings;
  const auto add = [&](Kind kind, std::string what, std::string mend = {}) {
    findings.push_back({kind, std::move(what), std::move(mend)});
  };
  if (facts.open_files != 0 && facts.open_files < kFewFiles) {
    add(Kind::kAdvice,
        "only " + std::to_string(facts.open_files) +
            " files may be open at once (nofile): few for a server",
        "limits.max_open_files = 65536 in the Oxfile, or LimitNOFILE=65536 in the unit");
  }
  if (facts.backlog != 0 && facts.backlog < kShortBacklog) {
    add(Kind::kAdvice,
        "net.core.somaxconn is " + std::to_string(facts.backlog) +
            ": a burst of clients is refused while a service is slow",
        "sysctl -w net.core.somaxconn=4096");
  }
  if (!facts.has_cgroup) {
    add(Kind::kAdvice,
        "instances have no cgroups of their own: trees are found through /proc, and hard limits "
        "cannot be set",
        facts.has_systemd ? "oxherd startup  # the unit has Delegate=yes"
                          : "run it in a cgroup that belongs to this user");
  }
  if (facts.has_systemd && !facts.comes_back) {
    add(Kind::kBad, "nothing brings services back after a reboot", "oxherd startup");
  } else if (facts.has_systemd && facts.is_user_daemon && !facts.lingers) {
    add(Kind::kBad, "this user does not linger: services end when the last session does",
        "loginctl enable-linger " + std::string(user));
  }
  if (findings.empty()) add(Kind::kGood, "the machine's limits are wide enough");
  return findings;
}

std::vector<Finding> JudgePorts(const std::vector<PortFacts>& ports) {
  std::vector<Finding> findings;
  for (const PortFacts& port : ports) {
    if (port.holder.empty()) continue;
    findings.push_back({Kind::kBad,
                        port.service + " wants port " + std::to_string(port.port) + ", which " +
                            port.holder + " has",
                        "end that, or give " + port.service + " another port"});
  }
  return findings;
}

int Doctor(const Session& session) {
  const std::vector<Finding> findings = Examination(session).Do();
  const auto bad = std::ranges::count(findings, Kind::kBad, &Finding::kind);
  Reply reply;
  if (bad > 0) {
    reply.code = ExitCode::kNotDone;
    reply.error = std::to_string(bad) + (bad == 1 ? " thing is wrong" : " things are wrong");
  }
  if (session.options.json) {
    for (const Finding& finding : findings) {
      const std::string text = finding.what + (finding.mend.empty() ? "" : " — " + finding.mend);
      (finding.kind == Kind::kBad ? reply.errors : reply.notes).push_back(text);
    }
    return PrintJson(reply, session.verb());
  }
  Write(STDOUT_FILENO, Render(session.screen, findings));
  if (bad > 0) Write(STDERR_FILENO, "oxherd: " + reply.error + "\n");
  return static_cast<int>(reply.code);
}

}  // namespace oxherd::cli
