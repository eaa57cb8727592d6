// What a child finds when it starts: descriptors, signals, environment, folder, limits.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

// Starts one service with `command` and what else its table says; returns all that it printed
// before the line "end".
std::string Printed(const Home& home, const std::string& command, const std::string& more = {}) {
  home.Oxfile("[processes.api]\nmin_uptime_ms = 50\ncommand = \"@misbehave " + command +
              " then say end then on-term 0 then sleep\"\n" + more);
  home.MustRun({"start"});
  home.WaitForLog("api/0", "end\n");
  return home.Log("api/0");
}

std::set<std::string> LinesOf(const std::string& text, std::string_view prefix) {
  std::set<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(prefix)) {
      lines.insert(line.substr(prefix.size()));
    }
  }
  return lines;
}

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_SUITE_BEGIN("child");

TEST_CASE("a child gets three descriptors and no other: /dev/null and its two pipes") {
  const Home home;
  // What the caller of `oxherd start` had open is not passed on either.
  home.Oxfile(R"(
[processes.api]
command = "@misbehave print-fds then read-stdin then say end then on-term 0 then sleep"
min_uptime_ms = 50
)");
  Invocation typed = home.Typed({"start"});
  typed.before_exec = [] {
    for (int fd = 20; fd < 30; ++fd) {
      dup2(1, fd);
    }
  };
  CHECK(Command(typed).Wait().exit_code == 0);
  home.WaitForLog("api/0", "end\n");

  const auto fds = LinesOf(home.Log("api/0"), "fd ");

  CHECK(fds.size() == 3);
  CHECK(fds.contains("0 /dev/null"));
  for (const std::string& fd : fds) {
    CHECK_MESSAGE(
        (fd.starts_with("0 /dev/null") || fd.starts_with("1 pipe:") || fd.starts_with("2 pipe:")),
        fd);
  }
  CHECK_SAYS(home.Log("api/0"), "stdin ended after 0 bytes");
}

TEST_CASE(
    "a child of a daemon that was killed and replaced gets no more descriptors than the first") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave print-fds then say end then on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.KillDaemon();
  home.MustRun({"restart"});
  WaitUntil("two runs", [&] { return CountOf(home.Log("api/0"), "end\n") == 2; });
  CHECK(CountOf(home.Log("api/0"), "fd ") == 6);
}

TEST_CASE("a child has default signals and an empty mask, whatever the caller ignored or blocked") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave print-signals then say end then sleep"
min_uptime_ms = 50
)");
  Invocation typed = home.Typed({"start"});
  typed.before_exec = [] {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
  };
  CHECK(Command(typed).Wait().exit_code == 0);
  home.WaitForLog("api/0", "end\n");
  CHECK(home.Log("api/0") ==
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\nend\n");
}

TEST_CASE("a child leads a session and a group of its own, and the keeper is its parent") {
  const Home home;
  Printed(home, "print-ids");
  const std::string pid = std::to_string(home.Pid("api/0"));
  CHECK_SAYS(home.Log("api/0"), "pid " + pid + " group " + pid + " session " + pid + " parent " +
                                    std::to_string(home.Keeper()));
}

TEST_CASE("the environment is the caller's few, the Oxfile's and ours; nothing of the session") {
  Home home;
  home.SetEnvironment("TZ", "Europe/Helsinki");
  home.SetEnvironment("LC_TIME", "C");
  for (const char* name : {"SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "TERM",
                           "SECRET_OF_THE_SHELL", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID",
                           "INVOCATION_ID", "JOURNAL_STREAM", "WATCHDOG_USEC"}) {
    home.SetEnvironment(name, "leak");
  }
  const std::string log = Printed(home, "print-env", R"(
instances = 1
port_base = @port
env = { GREETING = "hello", NUMBER = 7, FLAG = true, JOINED = "${GREETING}-${PORT}" }
)");
  const auto variables = LinesOf(log, "env ");
  const std::string port = std::to_string(home.port());
  for (const std::string& expected :
       {std::string("GREETING=hello"), std::string("NUMBER=7"), std::string("FLAG=true"),
        "JOINED=hello-" + port, "PORT=" + port, std::string("TZ=Europe/Helsinki"),
        std::string("LC_TIME=C"), std::string("LANG=C.UTF-8"), std::string("OXHERD_SERVICE=api"),
        std::string("OXHERD_INSTANCE_ID=0"), std::string("OXHERD_GENERATION=1"),
        std::string("OXMGR_INSTANCE_ID=0"), std::string("NODE_APP_INSTANCE=0"),
        std::string("PYTHONUNBUFFERED=1")}) {
    CHECK_MESSAGE(variables.contains(expected), "missing " << expected << " in\n" << log);
  }
  CHECK_SAYS(log, "env OXHERD_TOKEN=");
  CHECK_SAYS(log, "env PATH=");
  CHECK_FALSE(Contains(log, "leak"));
}

TEST_CASE(
    "a value of the environment is shown and logged nowhere, and kept where only its user reads") {
  constexpr const char* kSecret = "hunter2-of-the-api";
  const Home home;
  home.Write("secret.env", std::string("PASSWORD=") + kSecret + "\n");
  Printed(home, "say up", "env_file = \"secret.env\"\nenv = { URL = \"db://${PASSWORD}@host\" }\n");
  home.Write("secret.env", std::string("PASSWORD=other-") + kSecret + "\n");
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"start"},
                                             {"list"},
                                             {"list", "--json"},
                                             {"status", "api"},
                                             {"status", "api", "--json"},
                                             {"validate"},
                                             {"reload"},
                                             {"daemon", "logs"}}) {
    const Outcome outcome = home.Run(words);
    CHECK_MESSAGE(outcome.exit_code == 0, words.front() << ": " << outcome.all());
    CHECK_FALSE(Contains(outcome.all(), kSecret));
  }
  bool is_kept = false;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(home.state_folder())) {
    if (!entry.is_regular_file() || !Contains(Contents(entry.path()), kSecret)) continue;
    is_kept = true;
    CHECK_MESSAGE((entry.status().permissions() & (fs::perms::group_all | fs::perms::others_all)) ==
                      fs::perms::none,
                  entry.path());
  }
  CHECK(is_kept);
}

TEST_CASE("env_file is read at start, env wins over it, and the port counts with the instance") {
  const Home home;
  home.Write(".env.production", R"(
# comment
export DATABASE_URL="postgres://db/shop"
PLAIN=some value # with a comment
SINGLE='${NOT_EXPANDED} # kept'
MULTI="first
second"
COLOUR=blue
EMPTY=
)");
  home.Oxfile(R"(
[processes.api]
command = "@misbehave print-env then say end then on-term 0 then sleep"
instances = 2
port_base = @port
min_uptime_ms = 50
env_file = [".env.production", { path = ".env.local", optional = true }]
env = { COLOUR = "red" }
)");
  home.MustRun({"start"});
  home.WaitForLog("api/1", "end\n");
  const std::string log = home.Log("api/1");
  for (const std::string& expected :
       {std::string("env DATABASE_URL=postgres://db/shop\n"), std::string("env PLAIN=some value\n"),
        std::string("env SINGLE=${NOT_EXPANDED} # kept\n"),
        std::string("env MULTI=first\nsecond\n"), std::string("env COLOUR=red\n"),
        std::string("env EMPTY=\n"), "env PORT=" + std::to_string(home.port(1)) + "\n"}) {
    CHECK_SAYS(log, expected);
  }

  home.Write(".env.production", "DATABASE_URL=postgres://other\n");
  home.MustRun({"reload", "api"});
  home.WaitForLog("api/0", "env DATABASE_URL=postgres://other\n");
}

TEST_CASE("an array is executed as it is; a string with shell syntax goes through sh") {
  const Home home;
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 50
[processes.array]
command = ["@misbehave", "print-words", "two words", "$HOME", "a;b", "*", "${PORT}", "then", "say", "end", "then", "sleep"]
env = { PORT = "77" }
[processes.quoted]
command = "@misbehave print-words 'two words' \"three of them\" then say end then sleep"
[processes.shell]
command = "echo first && @misbehave say $GREETING then print-ids then say end then sleep"
env = { GREETING = "hello" }
)");
  home.MustRun({"start"});
  for (const char* name : {"array/0", "quoted/0", "shell/0"}) {
    home.WaitForLog(name, "end\n");
  }
  CHECK(home.Log("array/0") == "word two words\nword $HOME\nword a;b\nword *\nword 77\nend\n");
  CHECK(home.Log("quoted/0") == "word two words\nword three of them\nend\n");
  CHECK_SAYS(home.Log("shell/0"), "first\nhello\n");
}

TEST_CASE("a command without shell syntax is executed directly, so that signals reach it") {
  const Home home;
  Printed(home, "print-ids");
  CHECK(fs::read_symlink("/proc/" + std::to_string(home.Pid("api/0")) + "/exe").filename() ==
        "misbehave");
}

TEST_CASE("the working directory is the Oxfile's folder, or what it says, symlinks resolved") {
  const Home home;
  fs::create_directories(home.folder() / "releases/7");
  fs::create_directory_symlink("releases/7", home.folder() / "current");
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 50
[processes.here]
command = "@misbehave print-folder then say end then sleep"
[processes.there]
command = "@misbehave print-folder then say end then sleep"
working_dir = "current"
)");
  home.MustRun({"start"});
  home.WaitForLog("here/0", "end\n");
  home.WaitForLog("there/0", "end\n");
  CHECK(home.Log("here/0") == "folder " + home.folder().string() + "\nend\n");
  CHECK(home.Log("there/0") == "folder " + home.folder().string() + "/releases/7\nend\n");
}

TEST_CASE("a crash starts the release that was frozen, not the one that the symlink names now") {
  const Home home;
  fs::create_directories(home.folder() / "releases/7");
  fs::create_directories(home.folder() / "releases/8");
  fs::create_directory_symlink("releases/7", home.folder() / "current");
  home.Oxfile(R"(
[processes.api]
command = "@misbehave print-folder then on-term 0 then sleep"
working_dir = "current"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  fs::remove(home.folder() / "current");
  fs::create_directory_symlink("releases/8", home.folder() / "current");

  Watched(home.Pid("api/0")).Signal(SIGKILL);
  WaitUntil("the restart", [&] { return CountOf(home.Log("api/0"), "releases/7\n") == 2; });
  home.MustRun({"reload", "api"});
  home.WaitForLog("api/0", "releases/8\n");
}

TEST_CASE(
    "limits: open files as the Oxfile says or as they were, and who is killed first without "
    "memory") {
  const Home home;
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 50
[processes.limited]
command = "@misbehave print-limits then say end then sleep"
limits = { max_open_files = 123 }
[processes.plain]
command = "@misbehave print-limits then say end then sleep"
nice = 5
)");
  Invocation typed = home.Typed({"start"});
  typed.before_exec = [] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 777;
    setrlimit(RLIMIT_NOFILE, &limit);
  };
  CHECK(Command(typed).Wait().exit_code == 0);
  home.WaitForLog("limited/0", "end\n");
  home.WaitForLog("plain/0", "end\n");
  CHECK_SAYS(home.Log("limited/0"), "open_files 123 123\n");
  CHECK_SAYS(home.Log("plain/0"), "open_files 777 ");
  // A user cannot make the daemon less likely to be chosen, so its children are made more likely.
  CHECK_SAYS(home.Log("plain/0"), getuid() == 0 ? "oom_score_adj 0\n" : "oom_score_adj 100\n");
  CHECK_SAYS(home.Log("plain/0"), "nice 5\n");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
