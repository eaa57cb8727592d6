// A home of its own for each test: a temporary folder with an Oxfile, a daemon that lives only
// there, and a check at the end that nothing of it is left on the machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/command.h"
#include "tests/e2e/processes.h"

namespace oxherd::e2e {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

// One row of `oxherd list --json`.
struct Instance {
  std::string name;
  std::string service;
  std::string state;
  pid_t pid = 0;  // 0: none
  int generation = 0;
  int restarts = 0;
  Json last_exit;
  std::string next_state;  // of the one that is to replace it; empty: none
};

enum class Cgroups { kWhereWeCan, kNever };

class Home {
 public:
  // `state_folder`: OXHERD_HOME, where it is to be somewhere else than in the temporary folder.
  explicit Home(Cgroups cgroups = Cgroups::kWhereWeCan,
                const std::filesystem::path& state_folder = {});
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  // Stops the daemon; a process, socket or cgroup that is left fails the test and is removed.
  ~Home();

  // Where the Oxfile is and commands are typed.
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  // OXHERD_HOME.
  [[nodiscard]] const std::filesystem::path& state_folder() const { return state_; }
  // The first of ten ports that were free.
  [[nodiscard]] std::uint16_t port(int offset = 0) const;
  // Copies a folder of the repository into folder(), e.g. "examples/express".
  void CopyFromSource(const std::string& name) const;

  // Writes a file below folder(). In the text `@misbehave`, `@folder` and `@port` stand for the
  // program of tests/programs, folder() and port(); `@port+1` is port(1), and so on to 9.
  void Write(const std::string& name, std::string_view text) const;
  void Oxfile(std::string_view text) const { Write("Oxfile.toml", text); }
  [[nodiscard]] std::string Read(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> Lines(const std::string& name) const;

  // Sets a variable for the commands that follow.
  void SetEnvironment(const std::string& name, const std::string& value);
  // Runs the commands that follow, and so the daemon, as this user, whose the folders become then.
  // Says why and returns false where that cannot be: we are not root, or it cannot reach our
  // programs.
  [[nodiscard]] bool RunAs(uid_t user);
  void SetFolder(const std::filesystem::path& folder) { typed_in_ = folder; }

  // `oxherd WORDS…` in folder().
  [[nodiscard]] Outcome Run(const Words& words, milliseconds deadline = seconds(20)) const;
  [[nodiscard]] Command Begin(const Words& words) const;
  [[nodiscard]] Invocation Typed(const Words& words) const;
  // The same, and exit code 0 is required.
  Outcome MustRun(const Words& words, milliseconds deadline = seconds(20)) const;  // NOLINT
  // Runs with --json and parses stdout, whatever the exit code.
  [[nodiscard]] Json RunJson(Words words) const;

  [[nodiscard]] std::vector<Instance> List() const;
  [[nodiscard]] std::optional<Instance> Find(const std::string& instance) const;
  // Requires that there is one.
  [[nodiscard]] Instance Get(const std::string& instance) const;
  [[nodiscard]] pid_t Pid(const std::string& instance) const { return Get(instance).pid; }
  Instance WaitForState(const std::string& instance, std::string_view state,  // NOLINT
                        milliseconds deadline = seconds(10)) const;
  // A line of `text` in a file below folder(), whole, with its newline.
  void WaitForLine(const std::string& name, std::string_view text,
                   milliseconds deadline = seconds(10)) const;
  // What an instance has printed, as it stands in its log file.
  [[nodiscard]] std::string Log(const std::string& instance, std::string_view stream = "out") const;
  void WaitForLog(const std::string& instance, std::string_view text,
                  milliseconds deadline = seconds(10)) const;

  [[nodiscard]] std::filesystem::path LogFolder(const std::string& service) const;
  [[nodiscard]] std::filesystem::path ControlSocket() const;

  // Pids of the programs that serve this home, by what the kernel says that they run.
  [[nodiscard]] std::vector<pid_t> Daemons() const;
  [[nodiscard]] std::vector<pid_t> Keepers() const;
  [[nodiscard]] pid_t Daemon() const;  // requires exactly one
  [[nodiscard]] pid_t Keeper() const;
  void KillDaemon() const;  // SIGKILL, and waits until it is gone

 private:
  [[nodiscard]] std::vector<pid_t> PidsOf(std::string_view program) const;
  [[nodiscard]] std::set<std::filesystem::path> OwnCgroups() const;
  void StopDaemon() const;
  [[nodiscard]] std::vector<Process> AllOfOurs() const;
  void CheckThatNothingIsLeft(const std::set<std::filesystem::path>& cgroups) const;

  std::filesystem::path root_;
  std::filesystem::path folder_;
  std::filesystem::path state_;
  std::filesystem::path typed_in_;
  std::vector<std::string> environment_;
  std::uint16_t port_;
  std::optional<uid_t> user_;
};

// The folder of the programs under test, and single ones.
std::filesystem::path ProgramFolder();
std::string Misbehave();

bool Contains(std::string_view text, std::string_view part);
std::size_t CountOf(std::string_view text, std::string_view part);

}  // namespace oxherd::e2e

// CHECK with both texts in the failure's message.
#define CHECK_SAYS(text, part)                                                               \
  do {                                                                                       \
    const auto& said_ = (text);                                                              \
    CHECK_MESSAGE(::oxherd::e2e::Contains(said_, (part)), "expected \"" << std::string(part) \
                                                                        << "\" in:\n"        \
                                                                        << said_);           \
  } while (false)
