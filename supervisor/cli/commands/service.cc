#include "cli/commands/service.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "cli/commands/service_units.h"
#include "cli/connection/connection.h"
#include "cli/connection/daemon_start.h"
#include "cli/connection/exchange.h"
#include "cli/render/terminal.h"
#include "os/captured_program.h"
#include "os/file.h"

namespace oxherd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxUnit = 64UL * 1024;
constexpr mode_t kUnitMode = 0644;

struct Unit {
  UnitKind kind = UnitKind::kSystem;
  std::string name;     // as systemctl calls it: "oxherd@ann.service"
  std::string folder;   // where we would write its file
  std::string file;     // the file's name there: "oxherd@.service"
  std::string package;  // where a package's file would be
};

Unit UnitOf(UnitKind kind, const Places& places, const std::string& user = "") {
  switch (kind) {
    case UnitKind::kSystem:
      return {kind, "oxherd.service", "/etc/systemd/system", "oxherd.service",
              "/usr/lib/systemd/system/oxherd.service"};
    case UnitKind::kOfUser:
      return {kind, "oxherd@" + user + ".service", "/etc/systemd/system", "oxherd@.service",
              "/usr/lib/systemd/system/oxherd@.service"};
    case UnitKind::kUser:
      break;
  }
  return {UnitKind::kUser, "oxherd.service", places.home + "/.config/systemd/user",
          "oxherd.service", "/usr/lib/systemd/user/oxherd.service"};
}

// What was done, line by line, or why it was not.
class Doing {
 public:
  Doing(const Session& session, Unit unit) : session_(session), unit_(std::move(unit)) {}

  [[nodiscard]] const Unit& unit() const { return unit_; }
  void Note(std::string line) { reply_.notes.push_back(std::move(line)); }

  // systemctl(1) with these words; false, and all is said, if it does not do it.
  bool Control(const std::vector<std::string>& words) {
    const auto outcome = Ask(words);
    if (!outcome) return Refuse("systemctl is needed for this: " + outcome.error().message);
    if (outcome->ok()) return true;
    std::string line = "systemctl";
    for (const std::string& word : words) line += " " + word;
    return Refuse(line + ": " + outcome->output);
  }
  [[nodiscard]] Result<os::CommandOutcome> Ask(std::vector<std::string> words) const {
    words.insert(words.begin(), "systemctl");
    if (unit_.kind == UnitKind::kUser) words.insert(words.begin() + 1, "--user");
    return os::RunCommand(words);
  }
  // The first line of what systemctl says: "active", "enabled", "not-found".
  [[nodiscard]] std::string Word(const std::string& question) const {
    const auto outcome = Ask({question, unit_.name});
    if (!outcome) return "unknown";
    const std::string word = outcome->output.substr(0, outcome->output.find('\n'));
    return word.empty() || word.contains(' ') ? "not-found" : word;
  }

  bool Refuse(std::string why) {
    reply_.code = ExitCode::kNotDone;
    reply_.error = std::move(why);
    return false;
  }
  [[nodiscard]] int Finish() const {
    if (!reply_.error.empty()) return Fail(session_, reply_.code, reply_.error, reply_.notes);
    if (session_.options.json) return PrintJson(reply_, session_.verb());
    for (const std::string& note : reply_.notes) Write(STDOUT_FILENO, Clean(note) + "\n");
    return static_cast<int>(reply_.code);
  }
  void SetCode(ExitCode code) { reply_.code = code; }

 private:
  const Session& session_;
  Unit unit_;
  Reply reply_;
};

// Where this program and those beside it lie: what a unit names.
struct Programs {
  std::string oxherd;
  std::string library;  // the folder with empty-cgroup
};

std::string OwnProgram() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).string();
}

Result<Programs> FindPrograms() {
  Programs programs;
  programs.oxherd = OwnProgram();
  OXHERD_TRY_ASSIGN(const std::string script, FindProgram("empty-cgroup"));
  programs.library = fs::path(script).lexically_normal().parent_path().string();
  for (const std::string* path : {&programs.oxherd, &programs.library}) {
    if (path->find_first_of(" \t\"'\\%$;") != std::string::npos) {
      return MakeError("a unit cannot name \"" + *path +
                       "\" for its blanks or special characters; move Oxherd to another folder");
    }
  }
  return programs;
}

// Replaces the file in one step; the folder is made where it is missing.
Status WriteUnit(const Unit& unit, const std::string& text) {
  std::error_code error;
  fs::create_directories(unit.folder, error);
  if (error) return ErrnoError(unit.folder, error.value());
  OXHERD_TRY(os::ReplaceFile(unit.folder, unit.file, text));
  const std::string path = unit.folder + "/" + unit.file;
  if (::chmod(path.c_str(), kUnitMode) != 0) return ErrnoError(path);
  return {};
}

// The unit is there and names this program: the package's, or one that we write.
bool HaveUnit(Doing& doing) {
  const Unit& unit = doing.unit();
  const auto programs = FindPrograms();
  if (!programs) return doing.Refuse(programs.error().message);
  const std::string wanted = UnitText(unit.kind, programs->oxherd, programs->library);
  if (os::ReadFile(unit.package, kMaxUnit).value_or("") == wanted) return true;
  if (const Status written = WriteUnit(unit, wanted); !written) {
    return doing.Refuse(written.error().message);
  }
  doing.Note("wrote " + unit.folder + "/" + unit.file);
  return true;
}

// Of a user who is logged in by su or cron: systemctl --user finds its manager by this.
void FindUserManager(uid_t uid) {
  // NOLINTBEGIN(concurrency-mt-unsafe): one thread
  if (::getenv("XDG_RUNTIME_DIR") != nullptr) return;
  const std::string folder = "/run/user/" + std::to_string(uid);
  if (::access(folder.c_str(), X_OK) == 0) ::setenv("XDG_RUNTIME_DIR", folder.c_str(), 1);
  // NOLINTEND(concurrency-mt-unsafe)
}

bool Linger(Doing& doing, const std::string& user) {
  const auto outcome = os::RunCommand({"loginctl", "enable-linger", user});
  if (outcome && outcome->ok()) {
    doing.Note("it starts at boot, before " + user + " logs in (lingering is on)");
    return true;
  }
  doing.Note("it starts only when " + user +
             " logs in; for the boot, as root: loginctl enable-linger " + user);
  return false;
}

// The daemon that serves the home outside the unit goes and leaves all that runs to the unit's,
// which finds it: no instance is restarted. `as_owner` comes before the words of a command of the
// home's owner.
bool HandOver(Doing& doing, std::vector<std::string> as_owner) {
  as_owner.insert(as_owner.end(), {OwnProgram(), "daemon", "stop", "--keep"});
  const auto left = os::RunCommand(as_owner);
  if (!left || !left->ok()) {
    return doing.Refuse("the daemon that runs now could not be asked to hand over: " +
                        (left ? left->output : left.error().message) +
                        "; the unit has its services from the next boot on");
  }
  if (!doing.Control({"start", doing.unit().name})) {
    doing.Note("what ran goes on running, and the next daemon finds it: oxherd start, or mend " +
               doing.unit().name);
    return false;
  }
  doing.Note("it runs, and has what the daemon before it ran; no instance was restarted");
  return true;
}

// Enabled, and started. `home_is_served`: by a daemon outside the unit, unless that is active.
bool Enable(Doing& doing, bool home_is_served, const std::vector<std::string>& as_owner = {}) {
  const std::string& name = doing.unit().name;
  if (!doing.Control({"daemon-reload"}) || !doing.Control({"enable", name})) return false;
  doing.Note(name + " is enabled");
  if (doing.Word("is-active") == "active") {
    doing.Note("it runs");
    return true;
  }
  if (home_is_served) return HandOver(doing, as_owner);
  if (!doing.Control({"start", name})) return false;
  doing.Note("it runs");
  return true;
}

bool IsServed(const Session& session) { return Connect(session.places).has_value(); }

std::string OwnName(uid_t uid) {
  const auto answer = os::RunCommand({"id", "-un", std::to_string(uid)});
  return answer && answer->ok() ? answer->output : std::to_string(uid);
}

// Whose unit is meant; nothing: it cannot be had, and `why` says so.
std::optional<UnitKind> KindMeant(const Session& session, std::string& why) {
  const bool is_root = session.places.uid == 0;
  if (session.options.of_user_manager && is_root) {
    why = "root's is the machine's own: oxherd service " +
          std::string(session.verb().substr(session.verb().rfind(' ') + 1));
    return std::nullopt;
  }
  return session.options.of_user_manager ? UnitKind::kUser : UnitKind::kSystem;
}

int NeedsRoot(const Session& session) {
  return Fail(session, ExitCode::kNotDone,
              "only root may change the machine's own unit; for your own: oxherd " +
                  std::string(session.verb()) + " --user");
}

int InstallFor(const Session& session, UnitKind kind) {
  Doing doing(session, UnitOf(kind, session.places));
  if (kind == UnitKind::kUser) FindUserManager(session.places.uid);
  const bool done = HaveUnit(doing) && Enable(doing, IsServed(session));
  if (done && kind == UnitKind::kUser) (void)Linger(doing, OwnName(session.places.uid));
  return doing.Finish();
}

// For another user, under the machine's manager.
int StartupFor(const Session& session, const std::string& user) {
  const auto known = os::RunCommand({"id", "-u", user});
  if (user.starts_with('-') || !known || !known->ok()) {
    return Fail(session, ExitCode::kAskedWrongly, "there is no user \"" + Clean(user) + "\"");
  }
  Doing doing(session, UnitOf(UnitKind::kOfUser, session.places, user));
  // Whether that user's home is served is behind a directory that is closed to us or not: ask as
  // that user.
  const std::vector<std::string> as_owner = {"runuser", "-u", user, "--"};
  std::vector<std::string> asking = as_owner;
  asking.insert(asking.end(), {OwnProgram(), "ping"});
  const auto ping = os::RunCommand(asking);
  if (HaveUnit(doing)) (void)Enable(doing, ping && ping->ok(), as_owner);
  return doing.Finish();
}

std::string Replaced(std::string text, std::string_view what, std::string_view by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.replace(at, what.size(), by);
    at += by.size();
  }
  return text;
}

}  // namespace

bool ComesBack(const Places& places, std::string_view user, const std::string& root) {
  const auto is_there = [&](const std::string& path) {
    struct stat about{};
    return ::lstat((root + path).c_str(), &about) == 0;
  };
  if (places.own_oxfile.empty() || !is_there("/run/systemd/system")) return true;
  const std::string wants = "/etc/systemd/system/multi-user.target.wants/";
  if (places.uid == 0) return is_there(wants + "oxherd.service");
  return is_there(wants + "oxherd@" + std::string(user) + ".service") ||
         is_there(places.home + "/.config/systemd/user/default.target.wants/oxherd.service") ||
         is_there("/etc/systemd/user/default.target.wants/oxherd.service");
}

std::string UnitText(UnitKind kind, std::string_view oxherd, std::string_view library) {
  const char* text = kind == UnitKind::kSystem   ? kSystemUnit
                     : kind == UnitKind::kOfUser ? kOfUserUnit
                                                 : kUserUnit;
  return Replaced(Replaced(text, "@OXHERD@", oxherd), "@LIBDIR@", library);
}

int InstallService(const Session& session) {
  std::string why;
  const auto kind = KindMeant(session, why);
  if (!kind) return Fail(session, ExitCode::kAskedWrongly, why);
  if (*kind == UnitKind::kSystem && session.places.uid != 0) return NeedsRoot(session);
  return InstallFor(session, *kind);
}

int UninstallService(const Session& session) {
  std::string why;
  const auto kind = KindMeant(session, why);
  if (!kind) return Fail(session, ExitCode::kAskedWrongly, why);
  if (*kind == UnitKind::kSystem && session.places.uid != 0) return NeedsRoot(session);
  if (*kind == UnitKind::kUser) FindUserManager(session.places.uid);
  Doing doing(session, UnitOf(*kind, session.places));
  const Unit& unit = doing.unit();
  if (doing.Word("is-enabled") == "not-found") {
    doing.Note("there is no " + unit.name);
    return doing.Finish();
  }
  if (!doing.Control({"disable", "--now", unit.name})) return doing.Finish();
  doing.Note(unit.name + " is stopped, with its services, and not started at boot any more");
  const std::string path = unit.folder + "/" + unit.file;
  if (::unlink(path.c_str()) == 0) doing.Note("removed " + path);
  (void)doing.Control({"daemon-reload"});
  return doing.Finish();
}

int ShowService(const Session& session) {
  std::string why;
  auto kind = KindMeant(session, why);
  if (!kind) return Fail(session, ExitCode::kAskedWrongly, why);
  if (*kind == UnitKind::kUser) FindUserManager(session.places.uid);
  Doing doing(session, UnitOf(*kind, session.places));
  const std::string enabled = doing.Word("is-enabled");
  const std::string active = doing.Word("is-active");
  if (enabled == "not-found") {
    doing.Note("no " + doing.unit().name +
               ": nothing brings services back after a reboot; oxherd "
               "startup");
    doing.SetCode(ExitCode::kNotDone);
    return doing.Finish();
  }
  doing.Note(doing.unit().name + ": " + enabled + ", " + active);
  if (active != "active") doing.SetCode(ExitCode::kNotDone);
  return doing.Finish();
}

int Startup(const Session& session) {
  const std::string& user = session.options.user;
  const bool is_root = session.places.uid == 0;
  if (!user.empty() && user != "root") {
    if (is_root) return StartupFor(session, user);
    if (user != OwnName(session.places.uid)) {
      return Fail(session, ExitCode::kNotDone,
                  "only root may do this for another user: sudo oxherd startup -u " + Clean(user));
    }
  }
  return InstallFor(session, is_root ? UnitKind::kSystem : UnitKind::kUser);
}

int Unstartup(const Session& session) {
  const std::string& user = session.options.user;
  const bool is_root = session.places.uid == 0;
  UnitKind kind = is_root ? UnitKind::kSystem : UnitKind::kUser;
  if (is_root && !user.empty() && user != "root") kind = UnitKind::kOfUser;
  if (!is_root) FindUserManager(session.places.uid);
  Doing doing(session, UnitOf(kind, session.places, user));
  if (doing.Control({"disable", doing.unit().name})) {
    doing.Note(doing.unit().name + " is not started at boot any more; what runs goes on");
  }
  return doing.Finish();
}

}  // namespace oxherd::cli
