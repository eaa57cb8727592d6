// Output: every byte, in order, into files that turn over; and `logs`, which reads them.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

namespace fs = std::filesystem;

// What `misbehave binary COUNT` prints.
std::string Binary(std::size_t count) {
  std::string bytes;
  std::uint64_t state = 1;
  while (bytes.size() < count) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    bytes += static_cast<char>(state & 0xff);
  }
  return bytes;
}

// The numbers of all lines "line 0000001…" in a file, in their order.
std::vector<long> LineNumbers(const fs::path& path) {
  std::vector<long> numbers;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("line ")) {
      numbers.push_back(std::stol(line.substr(5)));
    }
  }
  return numbers;
}

bool IsRunOf(const std::vector<long>& numbers) {
  return std::adjacent_find(numbers.begin(), numbers.end(),
                            [](long a, long b) { return b != a + 1; }) == numbers.end();
}

TEST_SUITE_BEGIN("output");

TEST_CASE("output is kept byte for byte: binary, long lines, half lines, each stream in its file") {
  const Home home;
  home.Oxfile(R"(
[processes.mixed]
command = "@misbehave binary 1000003 then long-line 300000 then partial no newline then say-err to stderr then append @folder/done x then on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLine("done", "x");
  const std::string expected = Binary(1000003) + std::string(300000, 'x') + "\nno newline";
  WaitUntil("all of it", [&] { return home.Log("mixed/0").size() >= expected.size(); });
  CHECK((home.Log("mixed/0") == expected));
  WaitUntil("stderr", [&] { return home.Log("mixed/0", "err") == "to stderr\n"; });
}

TEST_CASE("two million lines: every one is there, and commands answer meanwhile") {
  const Home home;
  home.Oxfile(R"(
[processes.flood]
command = "@misbehave lines 2000000 100 then append @folder/done x then on-term 0 then sleep"
min_uptime_ms = 50
[processes.flood.logs]
max_size_mb = 1000
)");
  home.MustRun({"start"});
  CHECK(home.MustRun({"list"}).took < milliseconds(300) * kPatience);
  home.WaitForLine("done", "x", seconds(60));
  const fs::path log = home.LogFolder("flood") / "0.out.log";
  WaitUntil("the last byte", [&] { return fs::file_size(log) == 200'000'000; }, seconds(60));
  const auto numbers = LineNumbers(log);
  CHECK(numbers.size() == 2'000'000);
  CHECK(IsRunOf(numbers));
}

TEST_CASE("files turn over while the program writes: bounded in size and number, nothing missing") {
  const Home home;
  home.Oxfile(R"(
[processes.flood]
command = "@misbehave lines 100000 100 then append @folder/done x then on-term 0 then sleep"
min_uptime_ms = 50
[processes.flood.logs]
max_size_mb = 1
max_files = 3
compress = false
)");
  home.MustRun({"start"});
  home.WaitForLine("done", "x", seconds(30));
  const fs::path folder = home.LogFolder("flood");
  WaitUntil(
      "the last line",
      [&] {
        const auto numbers = LineNumbers(folder / "0.out.log");
        return !numbers.empty() && numbers.back() == 100000;
      },
      seconds(20));

  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("0.out.log") && entry.file_size() > 0 && !Contains(name, "idx") &&
        !Contains(name, "index")) {
      files.push_back(entry.path());
      CHECK(entry.file_size() <= 1'200'000);
    }
  }
  CHECK(files.size() >= 3);
  CHECK(files.size() <= 4);
  std::vector<long> all;
  std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) {
    const auto first = LineNumbers(a);
    const auto second = LineNumbers(b);
    return !first.empty() && !second.empty() && first.front() < second.front();
  });
  for (const fs::path& file : files) {
    const auto numbers = LineNumbers(file);
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  CHECK(all.back() == 100000);
  CHECK(all.size() > 25000);
}

TEST_CASE(
    "rotated files are compressed, and a daemon killed in the middle loses or doubles no line") {
  const Home home;
  home.Oxfile(R"(
[processes.flood]
command = "@misbehave lines 400000 100 then append @folder/done x then on-term 0 then sleep"
min_uptime_ms = 50
[processes.flood.logs]
max_size_mb = 8
)");
  home.MustRun({"start"});
  const pid_t pid = home.Pid("flood/0");
  const fs::path log = home.LogFolder("flood") / "0.out.log";
  const auto name = [&](const std::string& end) { return fs::path(log.string() + end); };
  for (int kills = 0; kills < 3; ++kills) {
    home.MustRun({"list"});  // the next daemon is there
    WaitUntil("compressing", [&] { return fs::exists(name(".gz.part")); }, seconds(60));
    home.KillDaemon();
  }
  home.WaitForLine("done", "x", seconds(60));
  WaitUntil(
      "everything is compressed",
      [&] {
        return fs::exists(name(".2.gz")) && !fs::exists(name(".2")) && !fs::exists(name(".3")) &&
               !fs::exists(name(".4")) && !fs::exists(name(".gz.part"));
      },
      seconds(60));
  CHECK(home.Pid("flood/0") == pid);

  const std::string said =
      home.MustRun({"logs", "flood", "--raw", "--since", "1h"}, seconds(60)).out;
  CHECK(CountOf(said, "\n") == 400000);
  home.Write("said", said);
  const auto numbers = LineNumbers(home.folder() / "said");
  CHECK(numbers.size() == 400000);
  CHECK(IsRunOf(numbers));
  CHECK(home.MustRun({"logs", "flood", "--raw", "--grep", "line 0000077"})
            .out.starts_with("line 0000077"));
  home.MustRun({"flush", "flood"});
  for (const auto& entry : fs::directory_iterator(log.parent_path())) {
    CHECK_MESSAGE(!Contains(entry.path().filename().string(), ".gz"), entry.path());
  }
}

TEST_CASE("logs shows the last lines of each, with time and name, merged by time") {
  const Home home;
  home.Oxfile(R"(
[defaults]
min_uptime_ms = 50
[processes.api]
command = "@misbehave lines 30 then append @folder/api x then on-term 0 then sleep"
[processes.worker]
command = "@misbehave wait-for-file @folder/api then say from the worker then say-err and an error then append @folder/worker x then sleep"
)");
  home.MustRun({"start"});
  home.WaitForLine("worker", "x");
  home.WaitForLog("worker/0", "from the worker\n");

  const Outcome last = home.MustRun({"logs", "api"});
  CHECK(CountOf(last.out, "\n") >= 15);
  CHECK_SAYS(last.out, "api/0 │ line 0000030");
  CHECK_SAYS(last.out, "line 0000016");
  CHECK_FALSE(Contains(last.out, "line 0000015"));

  const std::string both = home.MustRun({"logs", "-n", "2"}).out;
  CHECK_SAYS(both, "worker/0 │ from the worker");
  CHECK(both.find("line 0000030") < both.find("from the worker"));

  CHECK(home.MustRun({"logs", "api", "--raw", "-n", "1"}).out == "line 0000030\n");
  CHECK(home.MustRun({"logs", "worker", "--raw", "--err"}).out == "and an error\n");
  CHECK(home.MustRun({"logs", "worker", "--raw", "--out"}).out == "from the worker\n");
  CHECK(home.MustRun({"logs", "api", "--raw", "--grep", "002[0-2]"}).out ==
        "line 0000020\nline 0000021\nline 0000022\n");
  CHECK(home.MustRun({"logs", "api", "--since", "10m", "-n", "3", "--raw"}).out ==
        "line 0000028\nline 0000029\nline 0000030\n");
}

TEST_CASE("logs -f follows over a restart and over a file that turns over") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave say run then wait-for-file @folder/flood then lines 20000 100 then say flooded then on-term 0 then sleep"
min_uptime_ms = 50
[processes.api.logs]
max_size_mb = 1
)");
  home.MustRun({"start"});
  home.WaitForLog("api/0", "run\n");
  Command following = home.Begin({"logs", "api", "-f", "--raw"});
  following.ReadUntil("run\n");

  home.MustRun({"restart", "api"});
  following.ReadUntil("run\nrun\n");
  home.Write("flood", "");
  const std::string seen = following.ReadUntil("flooded\n");

  CHECK(CountOf(seen, "line ") == 20000);
  following.Signal(SIGINT);
  CHECK(following.Wait().exit_code == 130);
}

TEST_CASE("logs reads a file of fifty gigabytes from its end") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave say up then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLog("api/0", "up\n");
  home.MustRun({"stop"});
  const fs::path log = home.LogFolder("api") / "0.out.log";
  std::error_code error;
  fs::resize_file(log, 50ULL << 30U, error);
  if (error) {
    MESSAGE("skipped: this file system has no sparse files of 50 GB: " << error.message());
    return;
  }
  std::ofstream(log, std::ios::app) << "\nfirst\nsecond\nthird\n";

  const Outcome last = home.MustRun({"logs", "api", "--raw", "-n", "2"});

  CHECK(last.out == "second\nthird\n");
  CHECK(last.took < milliseconds(500) * kPatience);
}

TEST_CASE("a log that somebody deleted or cut is written on") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave say one then wait-for-file @folder/a then say two then wait-for-file @folder/b then say three then on-term 0 then sleep"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLog("api/0", "one\n");
  fs::remove(home.LogFolder("api") / "0.out.log");
  home.Write("a", "");
  WaitUntil("a new file", [&] { return home.Log("api/0") == "two\n"; });

  fs::resize_file(home.LogFolder("api") / "0.out.log", 0);
  home.Write("b", "");
  WaitUntil("the file from its new end", [&] { return home.Log("api/0") == "three\n"; });
}

TEST_CASE("log_file and error_log_file that are the same file are merged into it") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave say to stdout then say-err to stderr then on-term 0 then sleep"
log_file = "all.log"
error_log_file = "all.log"
min_uptime_ms = 50
)");
  home.MustRun({"start"});
  home.WaitForLine("all.log", "to stdout");
  home.WaitForLine("all.log", "to stderr");
}

TEST_CASE("a log path that cannot be written fails the start, with path and reason") {
  const Home home;
  fs::create_directory(home.folder() / "folder.log");
  home.Oxfile(R"(
[processes.api]
command = "@misbehave append @folder/ran x then sleep"
log_file = "folder.log"
min_uptime_ms = 50
[processes.other]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
)");
  const Outcome started = home.Run({"start"});
  CHECK(started.exit_code == 1);
  CHECK_SAYS(started.all(), "folder.log");
  CHECK_SAYS(started.all(), "Is a directory");
  CHECK(home.Read("ran").empty());
  CHECK(home.Get("other/0").state == "ready");
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
