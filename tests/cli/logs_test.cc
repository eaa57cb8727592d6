#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/logs/logs.h"
#include "cli/logs/view.h"
#include "os/clock.h"
#include "os/gzip_log.h"
#include "tests/temporary.h"

namespace oxherd::cli {
namespace {

using std::chrono::system_clock;

// 2023-11-14 22:13:20 UTC
const WallTime kStart = WallTime(Seconds(1'700'000'000));

// A folder of logs, written as the daemon writes them, at times of the test's choice.
class Logs {
 public:
  Logs() { path_ = test::MakeTemporaryFolder("logs"); }
  ~Logs() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Logs(const Logs&) = delete;
  Logs& operator=(const Logs&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string FileOf(const InstanceId& instance,
                                   os::LogStream stream = os::LogStream::kOut) const {
    return os::DefaultLogPath(path_, instance, stream);
  }

  // `text` was printed `after` the start.
  void Print(const InstanceId& instance, const std::string& text, Duration after,
             os::LogStream stream = os::LogStream::kOut, std::string file = "") const {
    if (file.empty()) file = FileOf(instance, stream);
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    const os::Fd log(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0600));
    REQUIRE(log);
    const auto facts = os::FactsOf(log);
    auto index = os::LogIndexWriter::Open(file, facts->inode, facts->size, kStart);
    REQUIRE(index.has_value());
    os::LogBurst burst;
    burst.offset = facts->size;
    burst.stream = stream;
    burst.slot = instance.slot;
    burst.generation = Generation(8);
    burst.token = Token(1);
    burst.service = os::ServiceMark(instance.service);
    burst.boot = 1;
    burst.wall = kStart + after + clock_moved;
    burst.monotonic = Instant(after);
    index->Note(burst);
    REQUIRE(write(log.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  // How far the wall clock has been set since the start.
  Duration clock_moved{};

 private:
  std::string path_;
};

control::Row RowOf(const Logs& logs, const InstanceId& instance) {
  control::Row row;
  row.service = instance.service;
  row.slot = instance.slot;
  row.out_log = logs.FileOf(instance, os::LogStream::kOut);
  row.err_log = logs.FileOf(instance, os::LogStream::kErr);
  return row;
}

LineStyle Plain(LineStyle::Form form = LineStyle::Form::kText) {
  LineStyle style;
  style.form = form;
  style.utc = true;
  style.now = kStart;
  return style;
}

// What the last `lines` lines of these instances look like.
struct Shown {
  std::string text;
  std::vector<std::string> notes;
};
Shown Show(const std::vector<control::Row>& rows, std::optional<std::uint32_t> lines,
           LogFilter filter = {}, const LineStyle& style = Plain(),
           const LogOptions& options = {}) {
  Shown shown;
  LogView view(SourcesOf(rows, options), std::move(filter), style, [&](std::string_view text) {
    shown.text += text;
    return true;
  });
  CHECK(view.ShowLast(lines, LogView::Then::kEnd));
  shown.notes = view.notes();
  return shown;
}

const InstanceId kApi0{"api", 0};
const InstanceId kApi1{"api", 1};
const InstanceId kWorker{"worker", 0};

TEST_CASE("the last lines of several instances are shown as one, in the order of time") {
  const Logs logs;
  logs.Print(kApi0, "GET /\n", Millis(120));
  logs.Print(kWorker, "job 1\njob 2\n", Millis(500));
  logs.Print(kApi1, "oops\n", Millis(700), os::LogStream::kErr);
  logs.Print(kApi0, "GET /a\n", Millis(61'009));
  CHECK(Show({RowOf(logs, kApi0), RowOf(logs, kApi1), RowOf(logs, kWorker)}, 15).text ==
        "22:13:20.120 api/0    │ GET /\n"
        "22:13:20.500 worker/0 │ job 1\n"
        "22:13:20.500 worker/0 │ job 2\n"
        "22:13:20.700 api/1    │ oops\n"
        "22:14:21.009 api/0    │ GET /a\n");
}

TEST_CASE("what was printed after the clock was set back still comes last, with the time it was") {
  Logs logs;
  logs.Print(kApi0, "before\n", Seconds(1));
  logs.Print(kWorker, "also before\n", Seconds(2));
  logs.clock_moved = -Seconds(3600);
  logs.Print(kApi0, "after\n", Seconds(3));
  logs.Print(kWorker, "also after\n", Seconds(4));
  logs.clock_moved = Seconds(60);
  logs.Print(kApi0, "later\n", Seconds(5));
  CHECK(Show({RowOf(logs, kApi0), RowOf(logs, kWorker)}, 10).text ==
        "22:13:21.000 api/0    │ before\n"
        "22:13:22.000 worker/0 │ also before\n"
        "21:13:23.000 api/0    │ after\n"
        "21:13:24.000 worker/0 │ also after\n"
        "22:14:25.000 api/0    │ later\n");
}

TEST_CASE("-n counts the lines of each instance, over both of its streams") {
  const Logs logs;
  for (int i = 0; i < 20; ++i) {
    const auto stream = i % 3 == 0 ? os::LogStream::kErr : os::LogStream::kOut;
    logs.Print(kApi0, "a" + std::to_string(i) + "\n", Seconds(i), stream);
    logs.Print(kApi1, "b" + std::to_string(i) + "\n", Seconds(i) + Millis(500), stream);
  }
  const auto rows = std::vector{RowOf(logs, kApi0), RowOf(logs, kApi1)};
  CHECK(Show(rows, 2, {}, Plain(LineStyle::Form::kRaw)).text == "a18\nb18\na19\nb19\n");
  CHECK(Show(rows, 0).text.empty());
  LogOptions only_err;
  only_err.only_err = true;
  CHECK(Show(rows, 2, {}, Plain(LineStyle::Form::kRaw), only_err).text == "a15\nb15\na18\nb18\n");
}

TEST_CASE("the last lines go back over rotated files") {
  const Logs logs;
  const std::string file = logs.FileOf(kApi0);
  for (int i = 0; i < 9; ++i) {
    logs.Print(kApi0, "line " + std::to_string(i) + "\n", Seconds(i));
    if (i % 3 != 2 || i == 8) continue;
    for (int number = 2; number >= 1; --number) {
      const std::string from = number == 1 ? file : file + ".1";
      const std::string to = file + "." + std::to_string(number);
      if (!std::filesystem::exists(from)) continue;
      std::filesystem::rename(from, to);
      std::filesystem::rename(from + ".idx", to + ".idx");
    }
  }
  const auto rows = std::vector{RowOf(logs, kApi0)};
  CHECK(Show(rows, 5, {}, Plain(LineStyle::Form::kRaw)).text ==
        "line 4\nline 5\nline 6\nline 7\nline 8\n");
  LogFilter since;
  since.since = kStart + Seconds(2);
  CHECK(Show(rows, std::nullopt, since, Plain(LineStyle::Form::kRaw)).text ==
        "line 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8\n");
  CHECK(Show(rows, 2, since, Plain(LineStyle::Form::kRaw)).text == "line 7\nline 8\n");
}

// As the daemon compresses a rotated log; its index stays.
void Compress(const std::string& file) {
  {
    const os::Fd log(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    const os::Fd gzip(open((file + ".part").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(os::CompressLog(log, gzip, [] { return true; }).has_value());
  }
  std::filesystem::rename(file + ".part", os::GzipPath(file));
  std::filesystem::remove(file);
}

// As the daemon rotates.
void Rotate(const std::string& file) {
  for (int number = 6; number >= 1; --number) {
    const std::string from = number == 1 ? file : file + "." + std::to_string(number - 1);
    for (const char* end : {"", ".gz", ".idx"}) {
      if (!std::filesystem::exists(from + end)) continue;
      std::filesystem::rename(from + end, file + "." + std::to_string(number) + end);
    }
  }
}

TEST_CASE("the last lines go back over compressed files, with their times") {
  const Logs logs;
  const std::string file = logs.FileOf(kApi0);
  for (int i = 0; i < 9; ++i) {
    logs.Print(kApi0, "line " + std::to_string(i) + "\n", Seconds(i));
    logs.Print(kWorker, "job " + std::to_string(i) + "\n", Seconds(i) + Millis(500));
    if (i % 2 == 0) continue;
    Rotate(file);
    if (std::filesystem::exists(file + ".2")) Compress(file + ".2");
  }
  REQUIRE(std::filesystem::exists(file + ".3.gz"));
  const auto rows = std::vector{RowOf(logs, kApi0)};
  CHECK(Show(rows, 6).text ==
        "22:13:23.000 api/0 │ line 3\n22:13:24.000 api/0 │ line 4\n"
        "22:13:25.000 api/0 │ line 5\n22:13:26.000 api/0 │ line 6\n"
        "22:13:27.000 api/0 │ line 7\n22:13:28.000 api/0 │ line 8\n");
  LogFilter since;
  since.since = kStart + Seconds(3);
  CHECK(Show({RowOf(logs, kApi0), RowOf(logs, kWorker)}, std::nullopt, since,
             Plain(LineStyle::Form::kRaw))
            .text ==
        "line 3\njob 3\nline 4\njob 4\nline 5\njob 5\nline 6\njob 6\nline 7\njob 7\nline "
        "8\njob 8\n");
  LogFilter filter;
  filter.pattern = std::move(*LinePattern::Make("line [24]"));
  CHECK(Show(rows, 5, std::move(filter), Plain(LineStyle::Form::kRaw)).text == "line 2\nline 4\n");
}

TEST_CASE("the last lines of fifty gigabytes are there at once") {
  const Logs logs;
  logs.Print(kApi0, "the first line\n", Seconds(0));
  const std::string file = logs.FileOf(kApi0);
  // Sparse: a hole takes no room on the disk, and is one long line of zeros.
  REQUIRE(truncate(file.c_str(), off_t{50} << 30) == 0);
  std::string end = "\n";
  for (int i = 0; i < 1000; ++i) end += "line " + std::to_string(i) + "\n";
  const os::Fd log(open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  REQUIRE(write(log.get(), end.data(), end.size()) == static_cast<ssize_t>(end.size()));
  const Instant begin = os::Now();
  const std::string text = Show({RowOf(logs, kApi0)}, 15, {}, Plain(LineStyle::Form::kRaw)).text;
  CHECK(text.starts_with("line 985\n"));
  CHECK(text.ends_with("line 999\n"));
  CHECK(os::Now() - begin < Seconds(1));

  LogFilter filter;
  filter.pattern = std::move(*LinePattern::Make("not there at all"));
  const Shown nothing = Show({RowOf(logs, kApi0)}, 15, std::move(filter));
  CHECK(nothing.text.empty());
  CHECK(nothing.notes ==
        std::vector<std::string>{"api/0: only the last 64 MB were searched; --since goes further "
                                 "back"});
}

TEST_CASE("a line longer than 64 KiB is shown in pieces, and nothing of it is lost") {
  const Logs logs;
  std::string giant;
  for (int i = 0; i < 300'000; ++i) giant += static_cast<char>('a' + i % 26);
  logs.Print(kApi0, "before\n" + giant + "\nafter\n", Seconds(0));
  const std::string raw = Show({RowOf(logs, kApi0)}, 100, {}, Plain(LineStyle::Form::kRaw)).text;
  CHECK(raw == "before\n" + giant + "\nafter\n");
}

TEST_CASE("what could drive a terminal is taken out of what is shown, and kept with --raw") {
  const Logs logs;
  const std::string evil = "\x1b]0;owned\x07\x1b[2J\xff\xfe ok \x1b[31mred\x1b[0m\r";
  logs.Print(kApi0, evil + "\n", Seconds(0));
  const std::string text = Show({RowOf(logs, kApi0)}, 15).text;
  for (const char c : text) CHECK((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
  CHECK(text.find("ok red") != std::string::npos);
  CHECK(Show({RowOf(logs, kApi0)}, 15, {}, Plain(LineStyle::Form::kRaw)).text == evil + "\n");
}

TEST_CASE("--json is one object for each line, also of bytes that are no text") {
  const Logs logs;
  logs.Print(kApi0, "say \"hi\"\t\x01\xff\xc3\xa9\n", Millis(120), os::LogStream::kErr);
  CHECK(Show({RowOf(logs, kApi0)}, 15, {}, Plain(LineStyle::Form::kJson)).text ==
        "{\"v\":1,\"time\":\"2023-11-14T22:13:20.120Z\",\"name\":\"api/0\",\"generation\":8,"
        "\"stream\":\"err\",\"text\":\"say \\\"hi\\\"\\u0009\\u0001\\ufffd\xc3\xa9\"}\n");
}

TEST_CASE("lines of another day show it; lines without an index show no time") {
  const Logs logs;
  logs.Print(kApi0, "yesterday\n", -std::chrono::hours(24));
  logs.Print(kWorker, "who knows when\n", Seconds(0));
  std::filesystem::remove(logs.FileOf(kWorker) + ".idx");
  CHECK(Show({RowOf(logs, kApi0), RowOf(logs, kWorker)}, 15).text ==
        "             worker/0 │ who knows when\n"
        "2023-11-13 22:13:20.000 api/0    │ yesterday\n");
}

TEST_CASE("a file that several instances share shows whose each line is") {
  const Logs logs;
  const std::string file = logs.path() + "/all.log";
  logs.Print(kApi0, "zero\n", Seconds(0), os::LogStream::kOut, file);
  logs.Print(kApi1, "one\n", Seconds(1), os::LogStream::kOut, file);
  logs.Print(kApi0, "zero again\n", Seconds(2), os::LogStream::kOut, file);
  control::Row first = RowOf(logs, kApi0);
  control::Row second = RowOf(logs, kApi1);
  first.out_log = first.err_log = second.out_log = second.err_log = file;
  CHECK(Show({first, second}, 15).text ==
        "22:13:20.000 api/0 │ zero\n"
        "22:13:21.000 api/1 │ one\n"
        "22:13:22.000 api/0 │ zero again\n");
  CHECK(Show({second}, 15).text == "22:13:21.000 api/1 │ one\n");
}

TEST_CASE("--grep takes the last lines that match, not the matches of the last lines") {
  const Logs logs;
  for (int i = 0; i < 100; ++i) {
    logs.Print(kApi0, (i % 30 == 0 ? "error " : "fine ") + std::to_string(i) + "\n", Seconds(i));
  }
  const auto shown = [&](const char* expression) {
    LogFilter filter;
    filter.pattern = std::move(*LinePattern::Make(expression));
    return Show({RowOf(logs, kApi0)}, 2, std::move(filter), Plain(LineStyle::Form::kRaw)).text;
  };
  CHECK(shown("error") == "error 60\nerror 90\n");
  CHECK(shown("^error [0-9]$") == "error 0\n");
  CHECK(!LinePattern::Make("(").has_value());
}

TEST_CASE("a level is what the line says; what does not say counts by its stream") {
  CHECK(LevelOf(R"({"level":"warn","msg":"x"})") == LogLevel::kWarn);
  CHECK(LevelOf(R"({"time":1,"level":50,"msg":"x"})") == LogLevel::kError);
  CHECK(LevelOf("2023-11-14 ERROR cannot") == LogLevel::kError);
  CHECK(LevelOf("[warn] low on disk") == LogLevel::kWarn);
  CHECK(LevelOf("INFO:root:started") == LogLevel::kInfo);
  CHECK(!LevelOf("no errors found"));
  CHECK(!LevelOf(""));

  const Logs logs;
  logs.Print(kApi0, "DEBUG a\nplain\nERROR b\n    at line 3\n    at line 4\nINFO c\n", Seconds(0));
  logs.Print(kApi0, "on stderr\n", Seconds(1), os::LogStream::kErr);
  LogFilter filter;
  filter.least = LogLevel::kWarn;
  // With an error comes what is indented below it.
  CHECK(Show({RowOf(logs, kApi0)}, 15, std::move(filter), Plain(LineStyle::Form::kRaw)).text ==
        "ERROR b\n    at line 3\n    at line 4\non stderr\n");
}

TEST_CASE("without a daemon the logs are found in its folder") {
  const Logs logs;
  logs.Print(kApi0, "x\n", Seconds(0));
  logs.Print({"api", 10}, "x\n", Seconds(0), os::LogStream::kErr);
  logs.Print(kWorker, "x\n", Seconds(0));
  const auto names = [&](const std::vector<std::string>& typed) {
    std::vector<std::string> found;
    for (const auto& row : RowsInFolder(logs.path(), typed)) found.push_back(row.name());
    return found;
  };
  using Names = std::vector<std::string>;
  CHECK(names({}) == Names{"api/0", "api/10", "worker/0"});
  CHECK(names({"api"}) == Names{"api/0", "api/10"});
  CHECK(names({"api/10", "worker"}) == Names{"api/10", "worker/0"});
  CHECK(names({"nothing"}).empty());
  CHECK(RowsInFolder(logs.path() + "/nowhere", {}).empty());
}

// ---- Following. ----

// A view that follows on a thread of its own, until the end of the test.
class Follower {
 public:
  Follower(const std::vector<control::Row>& rows, std::uint32_t lines, LogFilter filter = {})
      : gone_(std::move(*os::MakePipe(os::PipeReading::kBlocks))),
        view_(SourcesOf(rows, {}), std::move(filter), Plain(LineStyle::Form::kRaw),
              [this](std::string_view text) {
                const std::lock_guard lock(mutex_);
                shown_ += text;
                return true;
              }) {
    CHECK(view_.ShowLast(lines, LogView::Then::kComing));
    thread_ = std::thread([this] { CHECK(view_.Follow(gone_.read_end.get()).has_value()); });
  }
  ~Follower() {
    gone_.write_end.Reset();
    thread_.join();
  }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  [[nodiscard]] std::string shown() {
    const std::lock_guard lock(mutex_);
    return shown_;
  }
  void WaitFor(const std::string& text) {
    const Instant deadline = os::Now() + Seconds(10);
    while (shown() != text) {
      REQUIRE_MESSAGE(os::Now() < deadline, shown());
      poll(nullptr, 0, 1);
    }
  }

 private:
  os::Pipe gone_;
  std::mutex mutex_;
  std::string shown_;
  LogView view_;
  std::thread thread_;
};

TEST_CASE("following shows what comes, each line once it is whole") {
  const Logs logs;
  logs.Print(kApi0, "old\n", Seconds(0));
  Follower follower({RowOf(logs, kApi0)}, 15);
  follower.WaitFor("old\n");
  logs.Print(kApi0, "new\nha", Seconds(1));
  follower.WaitFor("old\nnew\n");
  logs.Print(kApi0, "lf\n", Seconds(2));
  follower.WaitFor("old\nnew\nhalf\n");
}

TEST_CASE("following goes on over rotations, also several at once") {
  bool compress = false;
  SUBCASE("plain") {}
  SUBCASE("compressed") { compress = true; }
  const Logs logs;
  const std::string file = logs.FileOf(kApi0);
  logs.Print(kApi0, "0\n", Seconds(0));
  Follower follower({RowOf(logs, kApi0)}, 15);
  follower.WaitFor("0\n");
  std::string all = "0\n";
  for (int i = 1; i <= 6; ++i) {
    Rotate(file);
    if (compress && std::filesystem::exists(file + ".2")) Compress(file + ".2");
    logs.Print(kApi0, std::to_string(i) + "\n", Seconds(i));
    all += std::to_string(i) + "\n";
    if (i % 3 == 0) follower.WaitFor(all);
  }
}

TEST_CASE("following goes on when the log is cut to nothing by logrotate") {
  const Logs logs;
  logs.Print(kApi0, "a long first line\n", Seconds(0));
  Follower follower({RowOf(logs, kApi0)}, 15);
  follower.WaitFor("a long first line\n");
  std::filesystem::resize_file(logs.FileOf(kApi0), 0);
  logs.Print(kApi0, "short\n", Seconds(1));
  follower.WaitFor("a long first line\nshort\n");
}

TEST_CASE("following begins with a log whose folder is made later") {
  const Logs logs;
  Follower follower({RowOf(logs, kApi0)}, 15);
  logs.Print(kApi0, "at last\n", Seconds(1));
  follower.WaitFor("at last\n");
}

TEST_CASE("following filters what comes, too") {
  const Logs logs;
  LogFilter filter;
  filter.pattern = std::move(*LinePattern::Make("yes"));
  Follower follower({RowOf(logs, kApi0)}, 15, std::move(filter));
  logs.Print(kApi0, "no\nyes 1\nno\nyes 2\n", Seconds(1));
  follower.WaitFor("yes 1\nyes 2\n");
}

}  // namespace
}  // namespace oxherd::cli
