#include <signal.h>
#include <sys/resource.h>

#include <charconv>
#include <thread>

#include "tests/daemon/output_support.h"

namespace oxherd::test {
namespace {

TEST_CASE("a log that somebody deletes is made again") {
  const Folder folder;
  const Program program;
  Log log;
  log->Attach(SourceTo(folder / "x.log", program));
  program.Prints("one\n");
  Eventually([&] { return Contents(folder / "x.log") == "one\n"; }, "the first line");
  std::filesystem::remove(folder / "x.log");
  // The name is looked at again once a millisecond has passed.
  const Instant deleted = os::Now();
  Eventually([&] { return os::Now() - deleted > Millis(5); }, "a moment");
  program.Prints("two\n");
  Eventually([&] { return Contents(folder / "x.log") == "two\n"; }, "the second line");
}

TEST_CASE("a log that logrotate renames goes on under its name") {
  const Folder folder;
  const Program program;
  Log log;
  log->Attach(SourceTo(folder / "x.log", program));
  program.Prints("one\n");
  Eventually([&] { return Contents(folder / "x.log") == "one\n"; }, "the first line");
  std::filesystem::rename(folder / "x.log", folder / "x.log.old");
  Put(folder / "x.log", "");  // as `create` does
  const Instant renamed = os::Now();
  Eventually([&] { return os::Now() - renamed > Millis(5); }, "a moment");
  program.Prints("two\n");
  log.Finish();
  CHECK(Contents(folder / "x.log.old") == "one\n");
  CHECK(Contents(folder / "x.log") == "two\n");
}

TEST_CASE("a log that logrotate truncates goes on at its end, without a hole") {
  const Folder folder;
  const Program program;
  Log log;
  log->Attach(SourceTo(folder / "x.log", program));
  program.Prints("one\n");
  Eventually([&] { return Contents(folder / "x.log") == "one\n"; }, "the first line");
  std::filesystem::resize_file(folder / "x.log", 0);
  const Instant cut = os::Now();
  Eventually([&] { return os::Now() - cut > Millis(5); }, "a moment");
  program.Prints("two\n");
  log.Finish();
  CHECK(Contents(folder / "x.log") == "two\n");
}

// Makes files of this process end at a size, as a full disk does.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit full{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &full) == 0);
  }
  ~FullDisk() { MakeRoom(); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  void MakeRoom() const { REQUIRE(setrlimit(RLIMIT_FSIZE, &before_) == 0); }

 private:
  rlimit before_{};
};

// "[oxherd] 123 lines (…" -> 123
long MissingIn(const std::string& text) {
  const auto at = text.find("[oxherd] ");
  REQUIRE(at != std::string::npos);
  return std::stol(text.substr(at + 9));
}

TEST_CASE(
    "a full disk holds nobody up; once there is room the log says how many lines are missing") {
  const Folder folder;
  const Program program;
  Log log;
  const std::string line = NumberedLines(0, 1);
  std::string all;
  {
    const FullDisk disk(100'000);
    log->Attach(SourceTo(folder / "x.log", program));
    program.Prints(NumberedLines(0, 50'000));  // ends, so nobody was held up
    const auto trouble = log.Next<output_event::Trouble>();
    CHECK(trouble.text ==
          "write log \"" + (folder / "x.log") + "\": File too large; its lines are dropped");
    Eventually([&] { return os::BytesIn(program.pipe.read_end) == 0; }, "an empty pipe");
    CHECK(Contents(folder / "x.log").size() <= 100'000);
  }
  const auto again = log.Next<output_event::Trouble>();
  CHECK(again.text.find("is written again") != std::string::npos);
  program.Prints(NumberedLines(50'000, 10));
  log.Finish();

  all = Contents(folder / "x.log");
  const long missing = MissingIn(all);
  const long whole = static_cast<long>(100'000 / line.size());
  // What is there and what is missing make up all; the line that was cut counts as missing.
  CHECK(whole + missing == 50'000);
  CHECK(all.starts_with(NumberedLines(0, static_cast<int>(whole))));
  CHECK(all.ends_with(" are missing here: File too large\n" + NumberedLines(50'000, 10)));
}

TEST_CASE("of a line that was begun while there was no room nothing is written") {
  const Folder folder;
  const Program program;
  Log log;
  {
    const FullDisk disk(10);
    log->Attach(SourceTo(folder / "x.log", program));
    program.Prints("first line, too long\nsecond li");
    (void)log.Next<output_event::Trouble>();
    Eventually([&] { return os::BytesIn(program.pipe.read_end) == 0; }, "an empty pipe");
  }
  (void)log.Next<output_event::Trouble>();
  program.Prints("ne\nthird line\n");
  log.Finish();
  CHECK(Contents(folder / "x.log") ==
        "first line\n[oxherd] 2 lines (20 bytes) are missing here: File too large\nthird line\n");
}

TEST_CASE("what is missing is said also when its instance is long gone") {
  const Folder folder;
  const Program program;
  Log log;
  {
    const FullDisk disk(1000);
    log->Attach(SourceTo(folder / "x.log", program));
    program.Prints(NumberedLines(0, 1000));
    log.Finish();
  }
  (void)log.Next<output_event::Trouble>();
  (void)log.Next<output_event::Trouble>();
  CHECK(MissingIn(Contents(folder / "x.log")) > 900);
}

TEST_CASE("lines with times before them are written whole or not at all") {
  const Folder folder;
  const Program program;
  Log log;
  {
    const FullDisk disk(50'000);
    OutputSource source = SourceTo(folder / "x.log", program);
    source.logs.date_format = "%H:%M:%S";
    log->Attach(std::move(source));
    program.Prints(NumberedLines(0, 20'000));
    (void)log.Next<output_event::Trouble>();
    Eventually([&] { return os::BytesIn(program.pipe.read_end) == 0; }, "an empty pipe");
  }
  (void)log.Next<output_event::Trouble>();
  log.Finish();
  const std::string all = Contents(folder / "x.log");
  const auto note = all.find("[oxherd] ");
  REQUIRE(note != std::string::npos);
  const std::size_t bytes_of_one = std::string("12:34:56: line 00000000\n").size();
  CHECK(note % bytes_of_one == 0);
  CHECK(static_cast<long>(note / bytes_of_one) + MissingIn(all) == 20'000);
}

TEST_CASE("an echo that nobody reads holds the instances back, and loses nothing") {
  const Folder folder;
  const Program program;
  auto terminal = std::move(*os::MakePipe(os::PipeReading::kBlocks));
  const std::string printed = NumberedLines(0, 100'000);
  std::string shown;
  {
    Log log({.echo = Echo::kRaw, .echo_to = terminal.write_end.get()});
    log->Attach(SourceTo(folder / "x.log", program));
    std::thread printing([&] { program.Prints(printed); });
    // The pipe to the "terminal" is full: the program is held back, its log does not grow.
    Eventually([&] { return os::BytesIn(program.pipe.read_end) >= 60'000; }, "a full pipe");
    CHECK(Contents(folder / "x.log").size() < printed.size() / 2);
    std::string bytes(65536, '\0');
    while (shown.size() < printed.size()) {
      const ssize_t count = read(terminal.read_end.get(), bytes.data(), bytes.size());
      REQUIRE(count > 0);
      shown.append(bytes, 0, static_cast<std::size_t>(count));
    }
    printing.join();
    log.Finish();
  }
  CHECK(shown == printed);
  CHECK(Contents(folder / "x.log") == printed);
}

TEST_CASE("the echo for a terminal says whose each line is, and tears none") {
  const Folder folder;
  const Program api;
  const Program worker;
  auto terminal = std::move(*os::MakePipe(os::PipeReading::kBlocks));
  Log log({.echo = Echo::kPrefixed, .echo_to = terminal.write_end.get()});
  log->Attach(SourceTo(folder / "api.log", api, 1));
  OutputSource other = SourceTo(folder / "worker.log", worker, 2);
  other.instance = {"worker", 3};
  log->Attach(std::move(other));
  api.Prints("half ");
  Eventually([&] { return Contents(folder / "api.log") == "half "; }, "half a line");
  worker.Prints("whole\n");
  Eventually([&] { return Contents(folder / "worker.log") == "whole\n"; }, "a line");
  api.Prints("done\nrest");
  log.Finish(1);
  log.Finish(2);
  std::string shown(200, '\0');
  const ssize_t count = read(terminal.read_end.get(), shown.data(), shown.size());
  REQUIRE(count > 0);
  shown.resize(static_cast<std::size_t>(count));
  CHECK(shown == "worker/3 │ whole\napi/0 │ half done\napi/0 │ rest\n");
}

TEST_CASE("an echo whose reader has gone does not stop the logs") {
  const Folder folder;
  const Program program;
  auto terminal = std::move(*os::MakePipe(os::PipeReading::kBlocks));
  terminal.read_end.Reset();
  Log log({.echo = Echo::kRaw, .echo_to = terminal.write_end.get()});
  log->Attach(SourceTo(folder / "x.log", program));
  program.Prints(NumberedLines(0, 20'000));
  log.Finish();
  CHECK(Contents(folder / "x.log") == NumberedLines(0, 20'000));
}

}  // namespace
}  // namespace oxherd::test
