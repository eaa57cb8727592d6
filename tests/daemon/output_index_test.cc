#include <fcntl.h>
#include <unistd.h>

#include "os/log_reader.h"
#include "tests/daemon/output_support.h"

namespace oxherd::os {
namespace {

using test::Contents;
using test::Folder;
using test::Put;

LogBurst BurstAt(std::uint64_t offset, std::int64_t second) {
  LogBurst burst;
  burst.offset = offset;
  burst.token = Token(7);
  burst.slot = 3;
  burst.generation = Generation(2);
  burst.service = ServiceMark("api");
  burst.boot = BootMark();
  burst.wall = WallTime(Seconds(1'700'000'000 + second));
  burst.monotonic = Instant(Seconds(100 + second));
  return burst;
}

// A log of `count` lines of ten bytes with a burst for each, a second apart.
struct IndexedLog {
  Folder folder;
  std::string path = folder / "x.log";
  std::uint64_t inode = 0;
  explicit IndexedLog(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "line " + std::to_string(1000 + i) + "\n";
    Put(path, text);
    inode = FactsOf(path)->inode;
    auto writer = LogIndexWriter::Open(path, inode, text.size(), WallTime{});
    REQUIRE(writer.has_value());
    for (int i = 0; i < count; ++i) writer->Note(BurstAt(static_cast<std::uint64_t>(i) * 10, i));
  }
  [[nodiscard]] LogIndex Index() const { return LogIndex::Open(path, inode); }
};

TEST_CASE("a burst is read back as it was written, and a changed bit is found out") {
  const LogBurst burst = BurstAt(123'456'789'012, 5);
  LogRecordBytes bytes = EncodeBurst(burst);
  CHECK(DecodeBurst(bytes) == burst);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    LogRecordBytes changed = bytes;
    changed[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    CHECK(!DecodeBurst(changed));
  }
  CHECK(!DecodeBurst(std::span(bytes).first(20)));
}

TEST_CASE("each byte of a log is found in its burst, and each time in the log") {
  const IndexedLog log(1000);
  const LogIndex index = log.Index();
  REQUIRE(index.count() == 1000);
  CHECK(index.FindOffset(0) == 0U);
  CHECK(index.FindOffset(9) == 0U);
  CHECK(index.FindOffset(10) == 1U);
  CHECK(index.FindOffset(5005) == 500U);
  CHECK(index.FindOffset(1'000'000) == 999U);
  CHECK(index.FindTime(BurstAt(0, 0).wall) == 0);
  CHECK(index.FindTime(BurstAt(0, 500).wall) == 500);
  CHECK(index.FindTime(BurstAt(0, 499).wall + Millis(1)) == 500);
  CHECK(index.FindTime(BurstAt(0, 5000).wall) == 1000);
}

TEST_CASE("broken records in the middle of an index cost their times and nothing else") {
  const IndexedLog log(1000);
  const std::string name = LogIndexPath(log.path);
  std::string bytes = Contents(name);
  for (std::size_t record = 400; record < 500; ++record) bytes[record * kLogRecordBytes + 9] ^= 1;
  Put(name, bytes);
  const LogIndex index = log.Index();
  CHECK(index.FindOffset(3000) == 300U);
  CHECK(index.FindOffset(6000) == 600U);
  CHECK(index.FindOffset(4505) == 398U);  // the last sound one before it
  auto reader = LogReader::Open(log.path);
  REQUIRE(reader.has_value());
  const auto lines =
      reader->LastLines(2000, 1U << 20, [](const LogLine&) { return LogReader::Take::kYes; });
  REQUIRE(lines.has_value());
  CHECK(lines->size() == 1000);
}

TEST_CASE("without an index, or with one of another file, a log is readable without times") {
  const IndexedLog log(10);
  SUBCASE("missing") { std::filesystem::remove(LogIndexPath(log.path)); }
  SUBCASE("empty") { Put(LogIndexPath(log.path), ""); }
  SUBCASE("no index at all") { Put(LogIndexPath(log.path), std::string(5000, 'x')); }
  SUBCASE("of another file") {
    const std::string text = Contents(log.path);
    Put(log.path + ".new", text);
    std::filesystem::rename(log.path + ".new", log.path);
  }
  auto reader = LogReader::Open(log.path);
  REQUIRE(reader.has_value());
  const auto lines =
      reader->LastLines(3, 1U << 20, [](const LogLine&) { return LogReader::Take::kYes; });
  REQUIRE(lines.has_value());
  REQUIRE(lines->size() == 3);
  CHECK(lines->back().text == "line 1009");
  CHECK(!lines->back().burst);
}

TEST_CASE("an index that a crash cut in the middle of a record is gone on with") {
  const IndexedLog log(10);
  const std::string name = LogIndexPath(log.path);
  std::filesystem::resize_file(name, std::filesystem::file_size(name) + 20);
  auto writer = LogIndexWriter::Open(log.path, log.inode, 100, WallTime{});
  REQUIRE(writer.has_value());
  writer->Note(BurstAt(100, 10));
  CHECK(log.Index().count() == 11);
  CHECK(log.Index().At(10) == BurstAt(100, 10));
}

TEST_CASE("an index that knows more than the log has is begun anew") {
  const IndexedLog log(10);
  REQUIRE(LogIndexWriter::Open(log.path, log.inode, 50, WallTime{}).has_value());
  CHECK(log.Index().count() == 0);
}

TEST_CASE("an index stays small beside its log, whatever is printed") {
  const Folder folder;
  Put(folder / "x.log", "");
  auto writer = LogIndexWriter::Open(folder / "x.log", FactsOf(folder / "x.log")->inode, 0, {});
  REQUIRE(writer.has_value());
  // A byte now by one, now by the other, every two milliseconds: the worst there is.
  std::uint64_t offset = 0;
  for (; offset < 100'000; ++offset) {
    LogBurst burst = BurstAt(offset, 0);
    burst.monotonic += Millis(2 * static_cast<std::int64_t>(offset));
    burst.token = Token(1 + offset % 2);
    writer->Note(burst);
  }
  CHECK(std::filesystem::file_size(folder / "x.log.idx") <=
        LogIndexWriter::kSlack + offset + 2 * kLogRecordBytes);
}

TEST_CASE("bursts of one source within a millisecond are one record") {
  const Folder folder;
  Put(folder / "x.log", "");
  const auto inode = FactsOf(folder / "x.log")->inode;
  auto writer = LogIndexWriter::Open(folder / "x.log", inode, 0, {});
  REQUIRE(writer.has_value());
  LogBurst burst = BurstAt(0, 0);
  for (int i = 0; i < 100; ++i) {
    writer->Note(burst);
    burst.offset += 10;
    burst.monotonic += std::chrono::microseconds(100);
  }
  CHECK(LogIndex::Open(folder / "x.log", inode).count() == 10);
}

}  // namespace
}  // namespace oxherd::os
