#include "os/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "os/file.h"

namespace oxherd::os {
namespace {

constexpr std::size_t kMostProcText = std::size_t{1} << 20;
constexpr std::string_view kServiceSuffix = ".service";

// Takes the text up to the next `separator` off the front; all of it if there is none.
std::string_view Next(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

// mountinfo writes blanks and the like as \040.
std::string Unescape(std::string_view word) {
  std::string plain;
  for (std::size_t i = 0; i < word.size(); ++i) {
    int code = 0;
    const bool escaped = word[i] == '\\' && i + 3 < word.size() &&
                         std::from_chars(&word[i] + 1, &word[i] + 4, code, 8).ptr == &word[i] + 4;
    plain += escaped ? static_cast<char>(code) : word[i];
    if (escaped) i += 3;
  }
  return plain;
}

SystemStatus WriteTo(int cgroup, const char* name, std::string_view text) {
  const Fd file(Try([&] { return ::openat(cgroup, name, O_WRONLY | O_CLOEXEC); }));
  if (!file) return LastErrno();
  if (Try([&] { return ::write(file.get(), text.data(), text.size()); }) < 0) return LastErrno();
  return {};
}

// The number after `key` and a blank, at the start of a line.
std::optional<std::uint64_t> ValueOf(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = Next(text, '\n');
    if (Next(line, ' ') != key) continue;
    std::uint64_t value = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), value).ec != std::errc()) break;
    return value;
  }
  return std::nullopt;
}

// One pass over cgroup.procs; true if there was anybody. The numbers are safe: their owners are
// frozen or, being killed, unreaped children of ours, and the list is of this moment.
SystemResult<bool> KillListed(int cgroup) {
  const Fd file(Try([&] { return ::openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC); }));
  if (!file) return LastErrno();
  std::array<char, 4096> text{};
  std::size_t kept = 0;
  bool anybody = false;
  for (;;) {
    const ssize_t size =
        Try([&] { return ::read(file.get(), text.data() + kept, text.size() - kept); });
    if (size < 0) return LastErrno();
    if (size == 0) return anybody;
    std::string_view lines(text.data(), kept + static_cast<std::size_t>(size));
    while (lines.find('\n') != std::string_view::npos) {
      const std::string_view line = Next(lines, '\n');
      int pid = 0;
      std::from_chars(line.data(), line.data() + line.size(), pid);
      if (pid <= 0) continue;
      anybody = true;
      ::kill(pid, SIGKILL);
    }
    kept = lines.size();
    std::memmove(text.data(), lines.data(), kept);
  }
}

SystemStatus FreezeKillThaw(int cgroup) {
  const SystemStatus frozen = WriteTo(cgroup, "cgroup.freeze", "1");
  const SystemResult<bool> killed = KillListed(cgroup);
  if (frozen) {
    if (SystemStatus thawed = WriteTo(cgroup, "cgroup.freeze", "0"); !thawed) return thawed;
  }
  if (!killed) return std::unexpected(killed.error());
  return {};
}

// Below its root the hierarchy is what the mount shows.
std::optional<std::string> OnMount(const CgroupMount& mount, const std::string& path) {
  if (mount.root == "/") return mount.directory + path;
  if (!path.starts_with(mount.root)) return std::nullopt;
  return mount.directory + path.substr(mount.root.size());
}

// At the start, before there could be a second thread.
bool AreUnwanted() {
  const char* unwanted = std::getenv("OXHERD_NO_CGROUP");  // NOLINT(concurrency-mt-unsafe)
  return unwanted != nullptr && std::string_view(unwanted) == "1";
}

}  // namespace

std::optional<CgroupMount> FindCgroupMount(std::string_view mountinfo) {
  while (!mountinfo.empty()) {
    std::string_view line = Next(mountinfo, '\n');
    // id parent major:minor root mount-point options [optional...] - type source super-options
    for (int skipped = 0; skipped < 3; ++skipped) Next(line, ' ');
    const std::string_view root = Next(line, ' ');
    const std::string_view directory = Next(line, ' ');
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    line.remove_prefix(dash + 3);
    if (Next(line, ' ') != "cgroup2") continue;
    return CgroupMount{.directory = Unescape(directory), .root = Unescape(root)};
  }
  return std::nullopt;
}

std::optional<std::string> FindCgroupPath(std::string_view proc_cgroup) {
  while (!proc_cgroup.empty()) {
    const std::string_view line = Next(proc_cgroup, '\n');
    if (line.starts_with("0::/")) return std::string(line.substr(3));
  }
  return std::nullopt;
}

Result<std::string> CgroupDirectoryOf(Pid pid) {
  const std::string file = "/proc/" + std::to_string(pid.number()) + "/cgroup";
  OXHERD_TRY_ASSIGN(const std::string mounts, ReadFile("/proc/self/mountinfo", kMostProcText));
  OXHERD_TRY_ASSIGN(const std::string text, ReadFile(file, kMostProcText));
  const std::optional<CgroupMount> mount = FindCgroupMount(mounts);
  const std::optional<std::string> path = FindCgroupPath(text);
  if (!mount || !path) return MakeError("there is no cgroup version 2");
  std::optional<std::string> directory = OnMount(*mount, *path);
  if (!directory) return MakeError("its cgroup is not visible here");
  return std::move(*directory);
}

std::string CgroupForInstances(const std::string& own) {
  const std::size_t slash = own.rfind('/');
  if (slash == std::string::npos || own.substr(slash + 1) != kSupervisorCgroup) return own;
  const std::string above = own.substr(0, slash);
  return above.ends_with(kServiceSuffix) ? above : own;
}

bool StepAside(const std::string& own, Pid self) {
  if (!own.ends_with(kServiceSuffix)) return false;
  const std::string pid = std::to_string(self.number());
  const Result<std::string> there = ReadFile(own + "/cgroup.procs", kMostProcText);
  if (!there || *there != pid + "\n") return false;
  const Fd unit(Try([&] { return ::open(own.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!unit) return false;
  const SystemResult<Fd> aside = MakeCgroup(unit.get(), std::string(kSupervisorCgroup).c_str());
  return aside && WriteTo(aside->get(), "cgroup.procs", pid).has_value();
}

void StepAside() {
  if (AreUnwanted()) return;
  const Pid self(::getpid());
  if (const auto own = CgroupDirectoryOf(self)) (void)StepAside(*own, self);
}

Result<Fd> MakeOwnCgroup(const std::string& name) {
  if (AreUnwanted()) return MakeError("cgroups are switched off by OXHERD_NO_CGROUP");
  OXHERD_TRY_ASSIGN(const std::string own, CgroupDirectoryOf(Pid(::getpid())));
  const std::string directory = CgroupForInstances(own);
  const Fd parent(
      Try([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!parent) return ErrnoError(directory);
  SystemResult<Fd> made = MakeCgroup(parent.get(), name.c_str());
  if (!made) return ToError("make a cgroup in " + directory, made.error());
  // Whether processes may be moved into it shows now rather than at the first start.
  if (Try([&] { return ::faccessat(made->get(), "cgroup.procs", W_OK, AT_EACCESS); }) < 0) {
    return ErrnoError("use a cgroup in " + directory);
  }
  return std::move(*made);
}

SystemResult<Fd> OpenCgroup(const std::string& path) {
  Fd cgroup(Try([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!cgroup) return LastErrno();
  if (Try([&] { return ::faccessat(cgroup.get(), "cgroup.procs", W_OK, AT_EACCESS); }) < 0) {
    return LastErrno();
  }
  return cgroup;
}

void RemoveOwnCgroup(int root, const std::string& name) {
  const int again = ::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return;
  DIR* folder = ::fdopendir(again);
  if (folder == nullptr) {
    ::close(again);
    return;
  }
  while (const dirent* entry = ::readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): our own DIR
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    if (::unlinkat(root, entry->d_name, AT_REMOVEDIR) == 0) continue;
    const std::string below = entry->d_name;
    const Fd inner(::openat(root, below.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (inner) RemoveOwnCgroup(inner.get(), "../" + below);
  }
  ::closedir(folder);
  const std::string self = name.starts_with("../") ? name : "../" + name;
  ::unlinkat(root, self.c_str(), AT_REMOVEDIR);
}

SystemResult<Fd> MakeCgroup(int root, const char* name) {
  if (Try([&] { return ::mkdirat(root, name, 0755); }) < 0 && errno != EEXIST) return LastErrno();
  const int cgroup =
      Try([&] { return ::openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW); });
  if (cgroup < 0) return LastErrno();
  return Fd(cgroup);
}

SystemStatus RemoveCgroup(int root, const char* name) {
  if (Try([&] { return ::unlinkat(root, name, AT_REMOVEDIR); }) < 0) return LastErrno();
  return {};
}

SystemResult<Fd> OpenCgroupEvents(int cgroup) {
  const int events = Try([&] { return ::openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC); });
  if (events < 0) return LastErrno();
  return Fd(events);
}

SystemResult<bool> IsPopulated(int events) {
  std::array<char, 128> text{};
  const ssize_t size = Try([&] { return ::pread(events, text.data(), text.size(), 0); });
  if (size < 0) return LastErrno();
  const std::string_view read(text.data(), static_cast<std::size_t>(size));
  return ValueOf(read, "populated").value_or(0) != 0;
}

SystemStatus KillCgroup(int cgroup) {
  const SystemStatus killed = WriteTo(cgroup, "cgroup.kill", "1");
  if (killed || killed.error().number != ENOENT) return killed;
  return FreezeKillThaw(cgroup);
}

std::uint64_t OomKills(int cgroup) {
  const Fd file(Try([&] { return ::openat(cgroup, "memory.events", O_RDONLY | O_CLOEXEC); }));
  if (!file) return 0;
  std::array<char, 512> text{};
  const ssize_t size = Try([&] { return ::read(file.get(), text.data(), text.size()); });
  if (size < 0) return 0;
  return ValueOf(std::string_view(text.data(), static_cast<std::size_t>(size)), "oom_kill")
      .value_or(0);
}

bool HasControllers(int cgroup) {
  const Fd file(Try([&] { return ::openat(cgroup, "cgroup.controllers", O_RDONLY | O_CLOEXEC); }));
  if (!file) return false;
  char first = '\n';
  return Try([&] { return ::read(file.get(), &first, 1); }) == 1 && first != '\n';
}

}  // namespace oxherd::os
