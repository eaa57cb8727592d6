#include "tests/e2e/home.h"

#include <doctest/doctest.h>
#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/e2e/http.h"
#include "tests/temporary.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

constexpr std::uint16_t kPorts = 10;

void ReplaceAll(std::string& text, std::string_view from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();  // what cannot be read (the process is gone) is no more than the end
  return text.str();
}

std::string Variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return std::string(name) + "=" + (value == nullptr ? otherwise : value);
}

template <typename T>
T ValueOr(const Json& object, const char* key, T otherwise) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? otherwise : found->template get<T>();
}

}  // namespace

fs::path ProgramFolder() {
  const char* folder = std::getenv("OXHERD_BIN");
  return folder == nullptr ? OXHERD_BINARY_DIR : folder;
}

std::string Misbehave() { return std::string(OXHERD_BINARY_DIR) + "/programs/misbehave"; }

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::size_t CountOf(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos;
       at += part.size()) {
    ++count;
  }
  return count;
}

Home::Home(Cgroups cgroups, const fs::path& state_folder)
    : root_(test::MakeTemporaryFolder("e2e")),
      folder_(root_ / "app"),
      state_(state_folder.empty() ? root_ / "home" : state_folder),
      typed_in_(folder_),
      port_(FreePorts(kPorts)) {
  fs::create_directory(folder_);
  environment_ = {Variable("PATH", "/usr/bin:/bin"), Variable("HOME", "/"),
                  "OXHERD_HOME=" + state_.string(), "LANG=C.UTF-8"};
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}) {
    if (std::getenv(name) != nullptr) {
      environment_.push_back(Variable(name, ""));
    }
  }
  if (cgroups == Cgroups::kNever) {
    SetEnvironment("OXHERD_NO_CGROUP", "1");
  }
}

Home::~Home() {
  const auto cgroups = OwnCgroups();
  try {
    StopDaemon();
  } catch (...) {
    MESSAGE("the daemon was not stopped; see above");  // a failed requirement: already counted
  }
  CheckThatNothingIsLeft(cgroups);
  if (std::getenv("OXHERD_E2E_KEEP") != nullptr) {
    MESSAGE("kept: " << root_.string());
    return;
  }
  std::error_code error;
  fs::remove_all(root_, error);
  CHECK_MESSAGE(!error, "cannot remove " << root_.string() << ": " << error.message());
}

void Home::StopDaemon() const {
  if (Daemons().empty() && Keepers().empty()) {
    return;
  }
  const Outcome stopped = Run({"daemon", "stop"}, seconds(30));
  CHECK_MESSAGE(stopped.exit_code == 0, "oxherd daemon stop said: " << stopped.all());
}

std::vector<Process> Home::AllOfOurs() const {
  std::vector<Process> all = ProcessesOf(root_);
  const std::vector<Process> servers = ProcessesOf(state_);
  all.insert(all.end(), servers.begin(), servers.end());
  return all;
}

std::set<fs::path> Home::OwnCgroups() const {
  std::set<fs::path> found;
  const fs::path ours = test::CgroupOf(getpid());
  for (const Process& process : AllOfOurs()) {
    // With the folders above that were made for it, up to the cgroup in which we were ourselves.
    for (fs::path cgroup = test::CgroupOf(process.pid);
         cgroup.native().size() > ours.native().size() && Contains(cgroup.native(), ours.native());
         cgroup = cgroup.parent_path()) {
      found.insert(cgroup);
    }
  }
  return found;
}

void Home::CheckThatNothingIsLeft(const std::set<fs::path>& cgroups) const {
  // The last program to go is the keeper, after it has answered `daemon stop`.
  const auto until = SteadyClock::now() + seconds(2) * kPatience;
  std::vector<Process> left = AllOfOurs();
  while (!left.empty() && SteadyClock::now() < until) {
    left = AllOfOurs();
  }
  for (const Process& process : left) {
    CHECK_MESSAGE(false, "left behind: " << process.program << " pid " << process.pid << " state "
                                         << std::string(1, process.state));
    kill(process.pid, SIGKILL);
  }
  std::error_code error;
  for (const fs::path& folder : {root_, state_}) {
    for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
      CHECK_MESSAGE(!entry.is_socket(), "socket left behind: " << entry.path().string());
    }
  }
  for (auto it = cgroups.rbegin(); it != cgroups.rend(); ++it) {  // inner folders first
    const fs::path& cgroup = *it;
    const bool removed = !fs::exists(cgroup / "cgroup.procs");
    CHECK_MESSAGE(removed, "cgroup left behind: " << cgroup.string());
    if (!removed) {
      rmdir(cgroup.c_str());
    }
  }
}

std::uint16_t Home::port(int offset) const { return static_cast<std::uint16_t>(port_ + offset); }

void Home::Write(const std::string& name, std::string_view text) const {
  std::string filled(text);
  ReplaceAll(filled, "@misbehave", Misbehave());
  ReplaceAll(filled, "@folder", folder_.string());
  for (int offset = 1; offset < kPorts; ++offset) {
    ReplaceAll(filled, "@port+" + std::to_string(offset), std::to_string(port(offset)));
  }
  ReplaceAll(filled, "@port", std::to_string(port_));
  fs::create_directories((folder_ / name).parent_path());
  std::ofstream file(folder_ / name, std::ios::binary | std::ios::trunc);
  file << filled;
  REQUIRE(file.good());
}

void Home::CopyFromSource(const std::string& name) const {
  fs::copy(fs::path(OXHERD_SOURCE_DIR) / name, folder_,
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

std::string Home::Read(const std::string& name) const { return ReadFile(folder_ / name); }

std::vector<std::string> Home::Lines(const std::string& name) const {
  std::vector<std::string> lines;
  std::ifstream file(folder_ / name);
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

void Home::SetEnvironment(const std::string& name, const std::string& value) {
  std::erase_if(environment_,
                [&](const std::string& entry) { return entry.starts_with(name + "="); });
  environment_.push_back(name + "=" + value);
}

bool Home::RunAs(uid_t user) {
  if (geteuid() != 0) {
    MESSAGE("skipped: needs root to run a daemon as another user");
    return false;
  }
  for (fs::path folder = Misbehave(); folder != "/"; folder = folder.parent_path()) {
    if ((fs::status(folder).permissions() & fs::perms::others_exec) == fs::perms::none) {
      MESSAGE("skipped: another user cannot reach our programs through " << folder.string());
      return false;
    }
  }
  for (const fs::path& folder : {root_, folder_}) {
    REQUIRE(chown(folder.c_str(), user, user) == 0);
  }
  user_ = user;
  return true;
}

Invocation Home::Typed(const Words& words) const {
  Invocation invocation;
  invocation.words = {(ProgramFolder() / "oxherd").string()};
  invocation.words.insert(invocation.words.end(), words.begin(), words.end());
  invocation.folder = typed_in_;
  invocation.environment = environment_;
  if (user_) {
    invocation.before_exec = [user = *user_] {
      if (setgroups(0, nullptr) != 0 || setresgid(user, user, user) != 0 ||
          setresuid(user, user, user) != 0) {
        _exit(126);
      }
    };
  }
  return invocation;
}

Command Home::Begin(const Words& words) const { return Command(Typed(words)); }

Outcome Home::Run(const Words& words, milliseconds deadline) const {
  return Begin(words).Wait(deadline);
}

Outcome Home::MustRun(const Words& words, milliseconds deadline) const {
  Outcome outcome = Run(words, deadline);
  std::string typed = "oxherd";
  for (const std::string& word : words) {
    typed += " " + word;
  }
  REQUIRE_MESSAGE(outcome.exit_code == 0, typed << " ended with " << outcome.exit_code << ":\n"
                                                << outcome.all());
  return outcome;
}

Json Home::RunJson(Words words) const {
  words.emplace_back("--json");
  const Outcome outcome = Run(words);
  Json parsed = Json::parse(outcome.out, nullptr, /*allow_exceptions=*/false);
  REQUIRE_MESSAGE(parsed.is_object(), words[0] << " --json printed:\n" << outcome.all());
  return parsed;
}

std::vector<Instance> Home::List() const {
  const Json answer = RunJson({"list"});
  REQUIRE_MESSAGE(answer.contains("instances"), answer.dump());
  std::vector<Instance> instances;
  for (const Json& row : answer.at("instances")) {
    instances.push_back(
        {ValueOr<std::string>(row, "name", ""), ValueOr<std::string>(row, "service", ""),
         ValueOr<std::string>(row, "state", ""), ValueOr<pid_t>(row, "pid", 0),
         ValueOr<int>(row, "generation", 0), ValueOr<int>(row, "restarts", 0),
         row.value("last_exit", Json()),
         ValueOr<std::string>(row.value("replacement", Json::object()), "state", "")});
  }
  return instances;
}

std::optional<Instance> Home::Find(const std::string& instance) const {
  for (Instance& row : List()) {
    if (row.name == instance) {
      return std::move(row);
    }
  }
  return std::nullopt;
}

Instance Home::Get(const std::string& instance) const {
  const auto found = Find(instance);
  REQUIRE_MESSAGE(found.has_value(), "no " << instance << " in the list");
  return *found;
}

Instance Home::WaitForState(const std::string& instance, std::string_view state,
                            milliseconds deadline) const {
  Instance last;
  WaitUntil(
      instance + " is " + std::string(state),
      [&] {
        last = Find(instance).value_or(Instance{});
        return last.state == state;
      },
      deadline);
  return last;
}

void Home::WaitForLine(const std::string& name, std::string_view text,
                       milliseconds deadline) const {
  WaitUntil(
      "\"" + std::string(text) + "\" in " + name,
      [&] { return Contains(Read(name), std::string(text) + "\n"); }, deadline);
}

fs::path Home::LogFolder(const std::string& service) const { return state_ / "logs" / service; }

std::string Home::Log(const std::string& instance, std::string_view stream) const {
  const std::size_t slash = instance.find('/');
  return ReadFile(LogFolder(instance.substr(0, slash)) /
                  (instance.substr(slash + 1) + "." + std::string(stream) + ".log"));
}

void Home::WaitForLog(const std::string& instance, std::string_view text,
                      milliseconds deadline) const {
  WaitUntil(
      "\"" + std::string(text) + "\" in the log of " + instance,
      [&] { return Contains(Log(instance), text); }, deadline);
}

fs::path Home::ControlSocket() const {
  for (const auto& entry : fs::recursive_directory_iterator(state_)) {
    if (entry.is_socket() && Contains(entry.path().filename().string(), "control")) {
      return entry.path();
    }
  }
  FAIL("no control socket below " << state_.string());
  return {};
}

std::vector<pid_t> Home::PidsOf(std::string_view program) const {
  std::vector<pid_t> pids;
  for (const Process& process : ProcessesOf(state_)) {
    if (process.program == program) {
      pids.push_back(process.pid);
    }
  }
  // A child between clone and exec still is its parent's program.
  std::vector<pid_t> own;
  std::copy_if(pids.begin(), pids.end(), std::back_inserter(own), [&](pid_t pid) {
    return std::find(pids.begin(), pids.end(), ParentOf(pid)) == pids.end();
  });
  return own;
}

std::vector<pid_t> Home::Daemons() const { return PidsOf("oxherd-daemon"); }
std::vector<pid_t> Home::Keepers() const { return PidsOf("oxherd-keeper"); }

pid_t Home::Daemon() const {
  const auto pids = Daemons();
  REQUIRE(pids.size() == 1);
  return pids[0];
}

pid_t Home::Keeper() const {
  const auto pids = Keepers();
  REQUIRE(pids.size() == 1);
  return pids[0];
}

void Home::KillDaemon() const {
  const Watched daemon(Daemon());
  daemon.Signal(SIGKILL);
  static_cast<void>(daemon.WaitForEnd());
}

}  // namespace oxherd::e2e
