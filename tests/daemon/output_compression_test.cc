// Rotated logs that are compressed: when, by whom, what a death or a full disk leaves behind.
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "daemon/output/log_compression.h"
#include "os/gzip_log.h"
#include "os/log_reader.h"
#include "tests/daemon/output_support.h"

namespace oxherd::test {
namespace {

namespace fs = std::filesystem;

constexpr LogRules kCompressed = {.max_bytes = 1, .max_files = 0, .max_days = 0, .compress = true};

OutputSource Compressed(const std::string& path, const Program& program, std::uint64_t max_bytes) {
  OutputSource source = SourceTo(path, program);
  source.logs.max_bytes = max_bytes;
  source.logs.max_files = 0;
  source.logs.compress = true;
  return source;
}

// What a gzip file holds, as gzip itself reads it.
std::string Unzipped(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> output(
      popen(("gzip -dc '" + path + "'").c_str(), "r"), &pclose);
  REQUIRE(output);
  std::string text;
  std::array<char, 4096> bytes;
  while (const std::size_t got = fread(bytes.data(), 1, bytes.size(), output.get())) {
    text.append(bytes.data(), got);
  }
  return text;
}

// As `oxherd logs` reads it.
std::string AsLogs(const std::string& path) {
  auto reader = os::LogReader::OpenRotated(path);
  REQUIRE(reader.has_value());
  std::string text;
  for (std::uint64_t at = 0;;) {
    const auto lines = reader->ReadOn(at);
    REQUIRE(lines.has_value());
    if (lines->empty()) return text;
    for (const os::LogLine& line : *lines) text += line.text + "\n";
    at = lines->back().end;
  }
}

bool IsThere(const std::string& path) { return os::FactsOf(path).has_value(); }

// Compresses a file of ours, without a thread.
void Gzip(const std::string& from, const std::string& to) {
  const os::Fd log(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  const os::Fd gzip(open(to.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  REQUIRE(os::CompressLog(log, gzip, [] { return true; }).has_value());
}

TEST_CASE("rotated logs are gzipped from the second on, with their times, and nothing is lost") {
  const Folder folder;
  const std::string path = folder / "x.log";
  const std::string printed = NumberedLines(0, 60'000);
  const Program program;
  Log log;
  log->Attach(Compressed(path, program, 100'000));
  program.Prints(printed);
  log.Finish();
  const auto files = static_cast<int>(printed.size() / 100'000);
  std::string all = Contents(path);
  all.insert(0, Contents(path + ".1"));
  for (int number = 2; number <= files; ++number) {
    const std::string rotated = path + "." + std::to_string(number);
    Eventually([&] { return IsThere(rotated + ".gz") && !IsThere(rotated); }, "compressed");
    all.insert(0, Unzipped(rotated + ".gz"));
    const auto reader = os::LogReader::OpenRotated(rotated);
    REQUIRE(reader.has_value());
    CHECK(reader->Size() <= 100'000);
    CHECK(reader->facts().size < reader->Size() / 3);
    REQUIRE(reader->index().count() > 0);
    CHECK(reader->index().At(0)->token == Token(1));
    CHECK(AsLogs(rotated) == Unzipped(rotated + ".gz"));
  }
  CHECK((all == printed));
  CHECK(!IsThere(path + ".1.gz"));
  CHECK(!IsThere(path + ".gz.part"));
}

TEST_CASE("what a daemon that was killed left half compressed is begun again, and nothing twice") {
  const Folder folder;
  const std::string path = folder / "x.log";
  Put(path + ".1", "third\n");
  Put(path + ".2", "second\n");
  Put(path + ".3", "first\n");
  SUBCASE("in the middle of a file") { Put(path + ".gz.part", "\x1f\x8b half"); }
  SUBCASE("when the file had its name, and the plain one was still there") {
    Gzip(path + ".3", path + ".3.gz");
  }
  const Program program;
  Log log;
  log->Attach(Compressed(path, program, 1000));
  program.Prints("fourth\n");
  log.Finish();
  for (const char* number : {".2", ".3"}) {
    Eventually([&] { return IsThere(path + number + ".gz") && !IsThere(path + number); }, number);
  }
  Eventually([&] { return !IsThere(path + ".gz.part"); }, "no litter");
  CHECK(Unzipped(path + ".3.gz") + Unzipped(path + ".2.gz") + Contents(path + ".1") +
            Contents(path) ==
        "first\nsecond\nthird\nfourth\n");
}

TEST_CASE("what is left half compressed goes also where logs are not compressed any more") {
  const Folder folder;
  const std::string path = folder / "x.log";
  Put(path + ".2", "old\n");
  Put(path + ".gz.part", "\x1f\x8b half");
  const Program program;
  Log log;
  log->Attach(SourceTo(path, program));
  Eventually([&] { return !IsThere(path + ".gz.part"); }, "no litter");
  CHECK(Contents(path + ".2") == "old\n");
}

TEST_CASE("a rotation while a file is compressed: it comes under its new number") {
  const Folder folder;
  const std::string path = folder / "x.log";
  Put(path, "newest\n");
  Put(path + ".1", "newer\n");
  Put(path + ".2", "older\n");
  std::vector<std::string> troubles;
  {
    LogCompression compression([&](std::string text) { troubles.push_back(std::move(text)); });
    std::unique_lock names(compression.names());
    compression.LookAfter(path, kCompressed);
    Eventually([&] { return IsThere(path + ".gz.part"); }, "begun");
    SUBCASE("moved up") {
      REQUIRE(RotateLog(path, kCompressed).has_value());
      names.unlock();
      Eventually([&] { return IsThere(path + ".3.gz") && !IsThere(path + ".3"); }, "compressed");
      Eventually([&] { return IsThere(path + ".2.gz") && !IsThere(path + ".2"); }, "the next too");
      CHECK(Unzipped(path + ".3.gz") == "older\n");
      CHECK(Unzipped(path + ".2.gz") == "newer\n");
      CHECK(Contents(path + ".1") == "newest\n");
    }
    SUBCASE("removed") {
      PruneRotated(path, {.max_bytes = 1, .max_files = 1, .max_days = 0}, WallTime{});
      names.unlock();
      Eventually([&] { return !IsThere(path + ".gz.part"); }, "given up");
      CHECK(!IsThere(path + ".2.gz"));
      CHECK(Contents(path + ".1") == "newer\n");
    }
  }
  CHECK(troubles.empty());
}

TEST_CASE("compressed files move up, are counted, grow old and go as plain ones do") {
  const Folder folder;
  const std::string path = folder / "x.log";
  const LogRules rules{.max_bytes = 1, .max_files = 3, .max_days = 7, .compress = true};
  Put(path, "d\n");
  Put(path + ".1", "c\n");
  for (const char* number : {".2", ".3"}) {
    Put(path + number, number);
    Gzip(path + number, path + number + ".gz");
  }
  fs::remove(path + ".3");
  SUBCASE("a rotation, also with both of one there") {
    REQUIRE(RotateLog(path, rules).has_value());
    CHECK(Contents(path + ".1") == "d\n");
    CHECK(Contents(path + ".2") == "c\n");
    CHECK(!IsThere(path + ".2.gz"));
    CHECK(Contents(path + ".3") == ".2");
    CHECK(Unzipped(path + ".3.gz") == ".2");
    CHECK(!IsThere(path + ".4.gz"));
  }
  SUBCASE("beyond max_files") {
    PruneRotated(path, {.max_bytes = 1, .max_files = 2, .max_days = 0}, WallTime{});
    CHECK(!IsThere(path + ".3.gz"));
    CHECK(IsThere(path + ".2.gz"));
  }
  SUBCASE("older than max_days: by the time of the log, not of its compression") {
    fs::remove(path + ".3.gz");
    Put(path + ".3", "old\n");
    const auto then = fs::file_time_type::clock::now() - std::chrono::hours(24 * 8);
    fs::last_write_time(path + ".3", then);
    Gzip(path + ".3", path + ".3.gz");
    CHECK(fs::last_write_time(path + ".3.gz") == then);
    fs::remove(path + ".3");
    PruneRotated(path, rules, std::chrono::system_clock::now());
    CHECK(!IsThere(path + ".3.gz"));
    CHECK(IsThere(path + ".2.gz"));
  }
  SUBCASE("more than all may have together") {
    KeepTotal({path}, 5);
    CHECK(!IsThere(path + ".3.gz"));
    CHECK(!IsThere(path + ".2.gz"));
    CHECK(!IsThere(path + ".2"));
    CHECK(IsThere(path));
  }
}

TEST_CASE("a log that cannot be compressed stays as it is, and that is said once") {
  const Folder folder;
  const std::string path = folder / "x.log";
  fs::create_directories(folder / "x.log.gz.part/in the way");
  const Program program;
  Log log;
  log->Attach(Compressed(path, program, 10'000));
  const std::string printed = NumberedLines(0, 10'000);
  program.Prints(printed);
  log.Finish();
  const std::string said = log.Next<output_event::Trouble>().text;  // it has got a number by then
  CHECK(said.starts_with("compress log \"" + path + "."));
  CHECK(said.ends_with(": open log \"" + path + ".gz.part\": Is a directory; it stays as it is"));
  std::string all;
  for (int number = 30; number > 0; --number) {
    all += Contents(path + "." + std::to_string(number));
  }
  CHECK((all + Contents(path) == printed));
  CHECK(!log.Has<output_event::Trouble>());
}

TEST_CASE("on a full disk compressing says that there is no room") {
  const Folder folder;
  Put(folder / "x.log.2", NumberedLines(0, 100));
  const os::Fd plain(open((folder / "x.log.2").c_str(), O_RDONLY | O_CLOEXEC));
  const os::Fd full(open("/dev/full", O_RDWR | O_CLOEXEC));
  const auto done = os::CompressLog(plain, full, [] { return true; });
  REQUIRE(!done.has_value());
  CHECK(done.error().number == ENOSPC);
}

TEST_CASE("who may read a log may read it when it is compressed") {
  const Folder folder;
  const std::string path = folder / "x.log";
  Put(path + ".2", "old\n");
  LogCompression compression([](const std::string&) {});
  LogRules rules = kCompressed;
  rules.access.mode = 0644;
  compression.LookAfter(path, rules);
  Eventually([&] { return IsThere(path + ".2.gz"); }, "compressed");
  struct stat status{};
  REQUIRE(stat((path + ".2.gz").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0644);
}

TEST_CASE("compressing needs no more memory for a larger file") {
  const Folder folder;
  Put(folder / "x.log.2", NumberedLines(0, 1000));
  Gzip(folder / "x.log.2", folder / "small.gz");  // zlib and the C library have what they keep
  REQUIRE(truncate((folder / "x.log.2").c_str(), off_t{64} << 20) == 0);
  rusage before{};
  rusage after{};
  getrusage(RUSAGE_SELF, &before);
  Gzip(folder / "x.log.2", folder / "x.log.2.gz");
  getrusage(RUSAGE_SELF, &after);
  CHECK(after.ru_maxrss - before.ru_maxrss < 2048);  // KiB
  auto reader = os::LogReader::OpenRotated(folder / "x.log.2");
  REQUIRE(reader.has_value());
  CHECK(reader->Size() == std::uint64_t{64} << 20);
}

TEST_CASE("a compressed log is read from any place of it") {
  const Folder folder;
  std::string text;
  std::mt19937_64 random(1);
  while (text.size() < 300'000) text += "line " + std::to_string(random()) + "\n";
  Put(folder / "x.log.2", text);
  Gzip(folder / "x.log.2", folder / "x.log.2.gz");
  const os::Fd file(open((folder / "x.log.2.gz").c_str(), O_RDONLY | O_CLOEXEC));
  auto gzip = os::GzipLog::Open(file);
  REQUIRE(gzip.has_value());
  CHECK(gzip->size() == text.size());
  CHECK(gzip->log_inode() == os::FactsOf(folder / "x.log.2")->inode);
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t offset = random() % (text.size() + 10);
    std::string bytes(random() % 150'000, '\0');
    const auto got = gzip->ReadAt(file, offset, bytes);
    REQUIRE(got.has_value());
    bytes.resize(*got);
    const std::string there = offset < text.size() ? text.substr(offset, bytes.size()) : "";
    CHECK((bytes == there));
    CHECK((offset + bytes.size() == text.size() || *got == bytes.size()));
  }
}

TEST_CASE("a compressed log that is damaged, cut short or somebody else's is an error, no crash") {
  const Folder folder;
  Put(folder / "x.log.2", NumberedLines(0, 20'000));
  Gzip(folder / "x.log.2", folder / "sound.gz");
  const std::string sound = Contents(folder / "sound.gz");
  const auto reads = [&](const std::string& bytes) {
    Put(folder / "broken.gz", bytes);
    const os::Fd file(open((folder / "broken.gz").c_str(), O_RDONLY | O_CLOEXEC));
    auto gzip = os::GzipLog::Open(file);
    if (!gzip) return false;
    std::string text(gzip->size(), '\0');
    const auto got = gzip->ReadAt(file, 0, text);
    return got && text == Contents(folder / "x.log.2");
  };
  CHECK(reads(sound));
  CHECK(!reads(sound.substr(0, sound.size() - 1)));
  CHECK(!reads("\x1f\x8b"));
  std::mt19937_64 random(1);
  int noticed = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bytes = sound;
    bytes[random() % bytes.size()] ^= static_cast<char>(1U << (random() % 8));
    noticed += reads(bytes) ? 0 : 1;
  }
  CHECK(noticed > 250);  // the time and the operating system in a header are nobody's concern
  REQUIRE(std::system(("printf 'x\\n' | gzip > '" + (folder / "x.log.9.gz") + "'").c_str()) == 0);
  const auto foreign = os::LogReader::OpenRotated(folder / "x.log.9");
  REQUIRE(!foreign.has_value());
  CHECK(foreign.error().message.find("Bad message") != std::string::npos);
}

}  // namespace
}  // namespace oxherd::test
