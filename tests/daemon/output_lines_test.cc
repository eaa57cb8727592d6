#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include "daemon/output/log_lines.h"
#include "tests/daemon/output_support.h"

namespace oxherd::test {
namespace {

using Lines = std::vector<std::string>;

TEST_CASE("a line that matches ready_log is told once, whichever stream it is on") {
  const Folder folder;
  const Program out;
  const Program err;
  Log log;
  OutputSource source = SourceTo(folder / "out.log", out);
  source.logs.err_path = folder / "err.log";
  source.err = err.ReadEnd();
  source.ready_log = "listening on port [0-9]+$";
  log->Attach(std::move(source));
  out.Prints("not listening on port yet\nserver listening on port 30");
  Eventually([&] { return Contents(folder / "out.log").ends_with("port 30"); }, "half a line");
  CHECK(!log.Has<output_event::ReadyLine>());  // a line is judged when it is whole
  out.Prints("00\nlistening on port 1\n");
  CHECK(log.Next<output_event::ReadyLine>().token == Token(1));
  err.Prints("listening on port 2\n");
  log.Finish();
  CHECK(!log.Has<output_event::ReadyLine>());
}

TEST_CASE("ready_log is found in lines that are changed, and in /dev/null") {
  const Folder folder;
  const Program program;
  Log log;
  OutputSource source = SourceTo("/dev/null", program);
  SUBCASE("/dev/null") {}
  SUBCASE("times in front") {
    source.logs.out_path = folder / "x.log";
    source.logs.date_format = "%H:%M:%S";
  }
  source.ready_log = "^ready$";
  log->Attach(std::move(source));
  program.Prints("ready\r\n");
  CHECK(log.Next<output_event::ReadyLine>().token == Token(1));
}

TEST_CASE("the time in front of a line has milliseconds where the format asks for them") {
  LineStamper stamper("%S.%3N %%3N %3N");
  std::string out;
  stamper.Stamp("a\n", WallTime(Millis(1'000'000'007'042)), 4096, out);
  stamper.Stamp("b\n", WallTime(Millis(1'000'000'007'999)), 4096, out);
  stamper.Stamp("c\n", WallTime(Millis(1'000'000'008'001)), 4096, out);
  CHECK(out == "47.042 %3N 042: a\n47.999 %3N 999: b\n48.001 %3N 001: c\n");
}

TEST_CASE("once it has left Starting nothing is looked for any more") {
  const Folder folder;
  const Program program;
  Log log;
  OutputSource source = SourceTo(folder / "x.log", program);
  source.ready_log = "ready";
  log->Attach(std::move(source));
  log->StopMatching(Token(1));
  program.Prints("ready\n");
  log.Finish();
  CHECK(!log.Has<output_event::ReadyLine>());
}

TEST_CASE("an expression that backtracks for ever elsewhere takes no time here") {
  auto matcher = LineMatcher::Make("(a+)+$");
  REQUIRE(matcher.has_value());
  const Instant begin = os::Now();
  CHECK(!matcher->Feed(std::string(LineMatcher::kMaxLine - 1, 'a') + "b\n"));
  CHECK(os::Now() - begin < Seconds(5));
  CHECK(matcher->Feed("aaa\n"));
}

TEST_CASE("the tail is what this token printed last, on both streams, in the order of time") {
  const Folder folder;
  const Program first;
  const Program out;
  const Program err;
  Log log;
  log->Attach(SourceTo(folder / "out.log", first, 1));
  first.Prints("of an earlier process\n");
  log.Finish(1);

  OutputSource source = SourceTo(folder / "out.log", out, 2);
  source.logs.err_path = folder / "err.log";
  source.err = err.ReadEnd();
  OutputSource question;
  question.token = source.token;
  question.logs = source.logs;
  log->Attach(std::move(source));
  for (int i = 0; i < 4; ++i) {  // apart by more than the index's resolution
    const Program& program = i % 2 == 0 ? out : err;
    const std::string path = folder / (i % 2 == 0 ? "out.log" : "err.log");
    const auto before = os::FactsOf(path) ? os::FactsOf(path)->size : 0;
    program.Prints("line " + std::to_string(i) + "\n");
    Eventually([&] { return os::FactsOf(path) && os::FactsOf(path)->size > before; }, "a line");
    const Instant printed = os::Now();
    Eventually([&] { return os::Now() - printed > Millis(3); }, "a moment");
  }
  CHECK(log.Tail(question, 20) == Lines{"line 0", "line 1", "line 2", "line 3"});
  CHECK(log.Tail(question, 2) == Lines{"line 2", "line 3"});

  SUBCASE("what still is in the pipe counts") {
    err.Prints("last words");
    CHECK(log.Tail(question, 1) == Lines{"last words"});
  }
  SUBCASE("also once it is detached") {
    log.Finish(2);
    CHECK(log.Tail(question, 1) == Lines{"line 3"});
  }
  SUBCASE("also in the next daemon") {
    Log next;
    CHECK(next.Tail(question, 2) == Lines{"line 2", "line 3"});
  }
}

TEST_CASE("the tail goes back over a rotation") {
  const Folder folder;
  const Program program;
  Log log;
  OutputSource source = SourceTo(folder / "x.log", program);
  source.logs.max_bytes = 1000;
  OutputSource question;
  question.token = source.token;
  question.logs = source.logs;
  log->Attach(std::move(source));
  program.Prints(NumberedLines(0, 100));
  log.Finish();
  const Lines tail = log.Tail(question, 60);
  REQUIRE(tail.size() == 60);
  CHECK(tail.front() == "line 00000040");
  CHECK(tail.back() == "line 00000099");
}

TEST_CASE("where several share a file, the tail has none of the others' lines") {
  const Folder folder;
  const Program first;
  const Program second;
  Log log;
  OutputSource question = SourceTo(folder / "both.log", first, 1);
  log->Attach(SourceTo(folder / "both.log", first, 1));
  log->Attach(SourceTo(folder / "both.log", second, 2));
  std::size_t size = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string line = (i % 2 == 0 ? "mine " : "theirs ") + std::to_string(i) + "\n";
    (i % 2 == 0 ? first : second).Prints(line);
    size += line.size();
    Eventually([&] { return Contents(folder / "both.log").size() == size; }, "a line");
  }
  CHECK(log.Tail(question, 3) == Lines{"mine 14", "mine 16", "mine 18"});
}

}  // namespace
}  // namespace oxherd::test
