// top: on a real terminal, and what is left of it whatever ends it.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>

#include "tests/e2e/home.h"
#include "tests/e2e/pseudo_terminal.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("top");

constexpr std::string_view kTwo = R"(
[processes.api]
command = "@misbehave say a-line-of-api then sleep"
min_uptime_ms = 50

[processes.worker]
command = "@misbehave say a-line-of-worker then sleep"
min_uptime_ms = 50
)";

constexpr unsigned short kColumns = 80;
constexpr unsigned short kRows = 24;

// A home with two services that run.
struct Running {
  Home home;
  Running() {
    home.Oxfile(kTwo);
    home.MustRun({"start"});
  }
};

TEST_CASE("top shows what runs and what it prints, and q leaves the terminal as it was") {
  const Running running;
  PseudoTerminal terminal(running.home.Typed({"top"}), kColumns, kRows);
  terminal.ReadUntil("2 instances");
  terminal.ReadUntil("worker/0");
  terminal.ReadUntil("a-line-of-api");
  terminal.Type("j");
  terminal.ReadUntil("a-line-of-worker");
  terminal.Type("q");
  CHECK(terminal.Wait() == 0);
  CHECK(terminal.IsAsBefore());
}

TEST_CASE("top restores the terminal whatever ends it") {
  const Running running;
  struct Way {
    const char* keys;
    int signal;
    int exit_code;
  };
  for (const Way& way : {Way{"\x03", 0, 0}, Way{"", SIGINT, 0}, Way{"", SIGTERM, 128 + SIGTERM},
                         Way{"", SIGHUP, 128 + SIGHUP}, Way{"", SIGQUIT, 128 + SIGQUIT},
                         Way{"", SIGSEGV, 128 + SIGSEGV}, Way{"", SIGABRT, 128 + SIGABRT}}) {
    CAPTURE(way.signal);
    PseudoTerminal terminal(running.home.Typed({"top"}), kColumns, kRows);
    terminal.ReadUntil("2 instances");
    CHECK((terminal.Settings().c_lflag & static_cast<tcflag_t>(ICANON | ECHO)) == 0);
    if (way.signal != 0) ::kill(terminal.pid(), way.signal);
    if (*way.keys != '\0') terminal.Type(way.keys);
    CHECK(terminal.Wait() == way.exit_code);
    CHECK(terminal.IsAsBefore());
  }
}

TEST_CASE("top says so when the daemon ends, goes on with the next one, and leaves if none comes") {
  const Running running;
  PseudoTerminal terminal(running.home.Typed({"top"}), kColumns, kRows);
  terminal.ReadUntil("2 instances");
  running.home.KillDaemon();
  terminal.Type("m");
  terminal.ReadUntil("mem \xE2\x96\xBE");
  running.home.MustRun({"daemon", "stop"});
  terminal.ReadUntil("no daemon runs");
  running.home.MustRun({"start"});
  terminal.ReadUntil("2 instances");
  running.home.MustRun({"daemon", "stop"});
  CHECK(terminal.Wait(seconds(15)) == 3);
  CHECK(terminal.IsAsBefore());
  CHECK_SAYS(terminal.all().substr(terminal.all().rfind("\x1b[?1049l")), "no daemon runs for");
}

TEST_CASE("top stops and reloads a service when the question is answered with y") {
  const Running running;
  PseudoTerminal terminal(running.home.Typed({"top"}), kColumns, kRows);
  terminal.ReadUntil("2 instances");
  terminal.ReadUntil("worker/0");
  terminal.Type("s");
  terminal.ReadUntil("stop api?");
  terminal.Type("n");
  terminal.ReadUntil("nothing was done");
  terminal.Type("s");
  terminal.ReadUntil("stop api?");
  terminal.Type("y");
  terminal.ReadUntil("api stopped");
  CHECK(running.home.Get("api/0").state == "stopped");
  CHECK(running.home.Get("worker/0").state == "ready");
  terminal.Type("jr");
  terminal.ReadUntil("reload worker?");
  terminal.Type("y");
  terminal.ReadUntil("worker reloaded");
  CHECK(running.home.Get("worker/0").generation == 2);
  terminal.Type("q");
  CHECK(terminal.Wait() == 0);
}

TEST_CASE("top draws anew when the terminal changes its size") {
  const Running running;
  PseudoTerminal terminal(running.home.Typed({"top"}), kColumns, kRows);
  terminal.ReadUntil("start");
  terminal.Resize(120, 40);
  terminal.ReadUntil("\x1b[40;1H");
  terminal.Resize(40, 10);
  terminal.ReadUntil("\x1b[10;1H");
  terminal.Type("q");
  CHECK(terminal.Wait() == 0);
  CHECK(terminal.IsAsBefore());
}

// The columns that the longest line with this text takes, without what drives the terminal.
std::size_t WidthOfLineWith(const std::string& frame, std::string_view part) {
  std::size_t widest = 0;
  for (std::size_t begin = 0; begin < frame.size();) {
    const std::size_t end = std::min(frame.find('\n', begin), frame.size());
    const std::string line = frame.substr(begin, end - begin);
    begin = end + 1;
    if (!Contains(line, part)) continue;
    std::size_t width = 0;
    for (std::size_t at = 0; at < line.size(); ++at) {
      if (line[at] == '\x1b') {
        at = line.find_first_of("hlmAHJK", at);
      } else if (line[at] != '\r' && (static_cast<unsigned char>(line[at]) & 0xc0U) != 0x80U) {
        ++width;
      }
    }
    widest = std::max(widest, width);
  }
  return widest;
}

TEST_CASE("list --watch draws over what it has drawn, and fits the terminal when that is resized") {
  const Running running;
  PseudoTerminal terminal(running.home.Typed({"list", "--watch"}), kColumns, kRows);
  const std::string first = terminal.ReadUntil("worker/0");
  CHECK_SAYS(first, "uptime");
  terminal.ReadUntil("\x1b[3A\r\x1b[J");  // a title and two rows, in the same place again
  running.home.MustRun({"stop", "worker"});
  terminal.ReadUntil("stopped");

  terminal.Resize(40, 10);
  terminal.ReadUntil("\x1b[2J\x1b[H");
  const std::string narrow = terminal.ReadUntil("\x1b[?7h");
  CHECK_SAYS(narrow, "api/0");
  CHECK(WidthOfLineWith(narrow, "api/0") <= 40);
  CHECK(WidthOfLineWith(first, "api/0") > 40);
  // Advice that is longer than a line is broken at a blank, and can be typed.
  running.home.Oxfile("[processes.bad]\ncommand = \"exit 3\"\nmax_restarts = 1\n");
  CHECK(running.home.Run({"start", "bad"}).exit_code == 1);
  terminal.ReadUntil("\n   ");
  terminal.ReadUntil("oxherd logs bad");
  // Fewer rows than there are lines: it does not scroll.
  terminal.Resize(40, 3);
  terminal.ReadUntil("\x1b[2J\x1b[H");
  CHECK(CountOf(terminal.ReadUntil("\x1b[?7h"), "\n") == 2);
  terminal.Type("\x03");
  CHECK(terminal.Wait() == 128 + SIGINT);
}

TEST_CASE("top without a terminal, without a daemon or with --json says what to do instead") {
  const Home home;
  CHECK_SAYS(home.Run({"top"}).err, "oxherd list");
  CHECK(home.Run({"top"}).exit_code == 2);
  CHECK(home.Run({"top", "--json"}).exit_code == 2);
  PseudoTerminal terminal(home.Typed({"top"}), kColumns, kRows);
  CHECK(terminal.Wait() == 3);
  CHECK_SAYS(terminal.all(), "no daemon runs");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
