#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <thread>

#include "tests/daemon/output_support.h"

namespace oxherd::test {
namespace {

TEST_CASE("bytes of every value arrive as they were printed, in their order") {
  const Folder folder;
  const Program program;
  Log log;
  log->Attach(SourceTo(folder / "x.log", program));
  std::string printed;
  for (int round = 0; round < 2000; ++round) {
    for (int byte = 0; byte < 256; ++byte) printed += static_cast<char>(byte + round);
  }
  program.Prints(printed);
  log.Finish();
  CHECK(Contents(folder / "x.log") == printed);
}

TEST_CASE("a daemon killed by SIGKILL loses nothing, and its successor goes on at the file's end") {
  const Folder folder;
  const Program program;
  const std::string printed = NumberedLines(0, 300'000);
  std::thread printing([&] { program.Prints(printed); });
  const auto size = [&] {
    const auto facts = os::FactsOf(folder / "x.log");
    return facts ? facts->size : 0;
  };

  for (int life = 1; life <= 5; ++life) {
    const pid_t daemon = fork();
    REQUIRE(daemon >= 0);
    if (daemon == 0) {
      auto log = OutputLog::Open({});
      (*log)->Attach(SourceTo(folder / "x.log", program));
      for (;;) pause();
    }
    const auto before = size();
    Eventually([&] { return size() > before || size() == printed.size(); }, "output is moved");
    kill(daemon, SIGKILL);
    REQUIRE(waitpid(daemon, nullptr, 0) == daemon);
  }
  Log log;
  log->Attach(SourceTo(folder / "x.log", program));
  printing.join();
  log.Finish();
  CHECK(Contents(folder / "x.log") == printed);
}

TEST_CASE("two instances into one file: every line is whole, and each one's lines are in order") {
  const Folder folder;
  const Program first;
  const Program second;
  Log log;
  log->Attach(SourceTo(folder / "both.log", first, 1));
  log->Attach(SourceTo(folder / "both.log", second, 2));
  const auto print = [](const Program& program, char mark) {
    std::string all;
    for (int i = 0; i < 50'000; ++i) {
      all += mark + std::to_string(i) + std::string(static_cast<std::size_t>(i % 90), mark) + "\n";
    }
    // As stdio does it: blocks that end anywhere in a line.
    for (std::size_t at = 0; at < all.size(); at += 8192) program.Prints(all.substr(at, 8192));
  };
  std::thread other([&] { print(second, 'b'); });
  print(first, 'a');
  other.join();
  log.Finish(1);
  log.Finish(2);

  std::array<int, 2> next{};
  const std::string all = Contents(folder / "both.log");
  for (std::size_t at = 0; at < all.size();) {
    const auto end = all.find('\n', at);
    REQUIRE(end != std::string::npos);
    const char mark = all[at];
    REQUIRE((mark == 'a' || mark == 'b'));
    const int number = next[mark == 'a' ? 0 : 1]++;
    const std::string expected =
        mark + std::to_string(number) + std::string(static_cast<std::size_t>(number % 90), mark);
    REQUIRE(all.substr(at, end - at) == expected);
    at = end + 1;
  }
  CHECK(next[0] == 50'000);
  CHECK(next[1] == 50'000);
}

TEST_CASE("half a line is shown although its end does not come, also where two share the file") {
  const Folder folder;
  const Program first;
  const Program second;
  Log log;
  log->Attach(SourceTo(folder / "both.log", first, 1));
  log->Attach(SourceTo(folder / "both.log", second, 2));
  first.Prints("Password: ");
  Eventually([&] { return Contents(folder / "both.log") == "Password: "; }, "half a line");
}

TEST_CASE("one file under two names is one file") {
  const Folder folder;
  const Program first;
  const Program second;
  Put(folder / "x.log", "");
  std::filesystem::create_hard_link(folder / "x.log", folder / "y.log");
  Log log;
  log->Attach(SourceTo(folder / "x.log", first, 1));
  log->Attach(SourceTo(folder / "y.log", second, 2));
  first.Prints("one\n");
  log.Finish(1);
  second.Prints("two\n");
  log.Finish(2);
  CHECK(Contents(folder / "x.log") == "one\ntwo\n");
}

TEST_CASE("a closed stdout is no end: what comes through it later is still moved") {
  const Folder folder;
  Program program;
  Log log;
  log->Attach(SourceTo(folder / "x.log", program));
  program.Prints("before\n");
  program.pipe.write_end.Reset();
  Eventually([&] { return Contents(folder / "x.log") == "before\n"; }, "the first line");
  program.pipe.write_end = std::move(*os::OpenAnew(program.pipe.read_end.get(), O_WRONLY));
  program.Prints("after\n");
  Eventually([&] { return Contents(folder / "x.log") == "before\nafter\n"; }, "the second line");
}

TEST_CASE("nobody waits for a stray process that keeps the pipe open") {
  const Folder folder;
  const Program program;  // its write end stays open all the time
  Log log;
  log->Attach(SourceTo(folder / "x.log", program));
  program.Prints("last words\n");
  log.Finish();
  CHECK(Contents(folder / "x.log") == "last words\n");
}

TEST_CASE("one that floods its log does not hold up another") {
  const Folder folder;
  const Program flood;
  const Program quiet;
  Log log;
  log->Attach(SourceTo(folder / "flood.log", flood, 1));
  log->Attach(SourceTo(folder / "quiet.log", quiet, 2));
  std::jthread flooding([&](const std::stop_token& stop) {
    const std::string block(65536, 'x');
    while (!stop.stop_requested()) flood.Prints(block);
  });
  Eventually([&] { return Contents(folder / "flood.log").size() > 1'000'000; }, "the flood");
  for (int i = 0; i < 20; ++i) {
    const Instant printed = os::Now();
    quiet.Prints("here\n");
    const auto expected = 5 * (static_cast<std::size_t>(i) + 1);
    Eventually([&] { return Contents(folder / "quiet.log").size() == expected; }, "a quiet line");
    CHECK(os::Now() - printed < Seconds(1));
  }
}

TEST_CASE("a log_date_format puts the time before each line, once, also across restarts") {
  const Folder folder;
  const Program program;
  const auto attach = [&](Log& log) {
    OutputSource source = SourceTo(folder / "x.log", program);
    source.logs.date_format = "%Y";
    log->Attach(std::move(source));
  };
  {
    Log log;
    attach(log);
    program.Prints("one\ntwo and a h");
    log.Finish();
  }
  Log log;
  attach(log);
  program.Prints("alf\n\nthree\n");
  log.Finish();
  std::string year(4, ' ');
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  year = std::to_string(local.tm_year + 1900);
  CHECK(Contents(folder / "x.log") ==
        year + ": one\n" + year + ": two and a half\n" + year + ": \n" + year + ": three\n");
}

TEST_CASE("a megabyte of empty lines with times before them is all there") {
  const Folder folder;
  const Program program;
  Log log;
  OutputSource source = SourceTo(folder / "x.log", program);
  source.logs.date_format = "%Y-%m-%d %H:%M:%S";
  log->Attach(std::move(source));
  program.Prints(std::string(1'000'000, '\n'));
  log.Finish();
  const std::string all = Contents(folder / "x.log");
  CHECK(std::count(all.begin(), all.end(), '\n') == 1'000'000);
  CHECK(all.size() == 1'000'000 * std::string("2026-11-22 03:12:44: \n").size());
}

TEST_CASE("/dev/null as a log takes everything") {
  const Program program;
  Log log;
  log->Attach(SourceTo("/dev/null", program));
  program.Prints(NumberedLines(0, 100'000));
  log.Finish();
  CHECK(!os::FactsOf("/dev/null.idx"));
}

TEST_CASE("logs and their folders are made for nobody else") {
  const Folder folder;
  const Program program;
  const mode_t umask_before = umask(0);
  {
    Log log;
    log->Attach(SourceTo(folder / "deep/er/x.log", program));
    program.Prints("secret\n");
    log.Finish();
  }
  umask(umask_before);
  const auto mode = [](const std::string& path) {
    struct stat status{};
    REQUIRE(stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777U;
  };
  CHECK(mode(folder / "deep") == 0700);
  CHECK(mode(folder / "deep/er") == 0700);
  CHECK(mode(folder / "deep/er/x.log") == 0600);
  CHECK(mode(folder / "deep/er/x.log.idx") == 0600);
}

TEST_CASE("a log path that cannot be is refused before the start, and says why") {
  const Folder folder;
  std::filesystem::create_directory(folder / "a_folder");
  std::filesystem::create_symlink("/etc/passwd", folder / "a_link");
  Put(folder / "a_file", "");
  const auto why = [](const std::string& path) {
    const auto status = os::OpenLogFile(path);
    REQUIRE(!status);
    return status.error().message;
  };
  CHECK(why(folder / "a_folder") == "open log \"" + (folder / "a_folder") + "\": Is a directory");
  CHECK(why(folder / "a_link") ==
        "open log \"" + (folder / "a_link") + "\": it is a symbolic link");
  CHECK(why(folder / "a_file/x.log").ends_with("Not a directory"));
  CHECK(os::OpenLogFile(folder / "good.log").has_value());
}

TEST_CASE("root writes no log where another user could put a link") {
  if (geteuid() != 0) {
    MESSAGE("skipped: not root");
    return;
  }
  const Folder folder;
  std::filesystem::create_directory(folder / "theirs");
  REQUIRE(chown((folder / "theirs").c_str(), 65534, 65534) == 0);
  const auto status = os::OpenLogFile(folder / "theirs/x.log");
  REQUIRE(!status);
  CHECK(status.error().message.find("another user can change the folder") != std::string::npos);
  CHECK(!os::FactsOf(folder / "theirs/x.log"));
}

}  // namespace
}  // namespace oxherd::test
