#include <algorithm>
#include <filesystem>

#include "daemon/output/log_rotation.h"
#include "tests/daemon/output_support.h"

namespace oxherd::test {
namespace {

// The log and its rotated files, oldest first, as one.
std::string Together(const std::string& path, int* files = nullptr) {
  int number = 0;
  while (os::FactsOf(path + "." + std::to_string(number + 1))) ++number;
  if (files != nullptr) *files = number;
  std::string all;
  for (; number > 0; --number) all += Contents(path + "." + std::to_string(number));
  return all + Contents(path);
}

OutputSource Limited(const std::string& path, const Program& program, std::uint64_t max_bytes,
                     std::uint16_t max_files) {
  OutputSource source = SourceTo(path, program);
  source.logs.max_bytes = max_bytes;
  source.logs.max_files = max_files;
  return source;
}

TEST_CASE("rotation while it is written loses no line, splits none, and keeps to the size") {
  const Folder folder;
  const Program program;
  Log log;
  log->Attach(Limited(folder / "x.log", program, 100'000, 0));
  const std::string printed = NumberedLines(0, 100'000);
  program.Prints(printed);
  log.Finish();
  int files = 0;
  CHECK(Together(folder / "x.log", &files) == printed);
  CHECK(files == static_cast<int>(printed.size() / 100'000));
  for (int number = 1; number <= files; ++number) {
    const std::string one = Contents(folder / ("x.log." + std::to_string(number)));
    CHECK(one.size() <= 100'000);
    CHECK(one.ends_with('\n'));
    CHECK(one.starts_with("line "));
  }
}

TEST_CASE("a line longer than a whole file stays in one piece") {
  const Folder folder;
  const Program program;
  Log log;
  log->Attach(Limited(folder / "x.log", program, 1000, 0));
  const std::string giant = std::string(20'000, 'g') + "\n";
  program.Prints("small\n" + giant + "small again\n");
  log.Finish();
  CHECK(Contents(folder / "x.log.2") == "small\n");
  CHECK(Contents(folder / "x.log.1") == giant);
  CHECK(Contents(folder / "x.log") == "small again\n");
}

TEST_CASE("a log without a single line end is rotated all the same, and nothing is lost") {
  const Folder folder;
  const Program program;
  Log log;
  log->Attach(Limited(folder / "x.log", program, 100'000, 0));
  std::string printed;
  for (int i = 0; i < 2'000'000; ++i) printed += static_cast<char>('a' + i % 26);
  program.Prints(printed);
  log.Finish();
  int files = 0;
  CHECK(Together(folder / "x.log", &files) == printed);
  CHECK(files >= 5);
  CHECK(os::FactsOf(folder / "x.log.1")->size < 400'000);
}

TEST_CASE("only the newest max_files are kept, however many there were before") {
  const Folder folder;
  const Program program;
  for (int number = 1; number <= 50; ++number) {
    Put(folder / ("x.log." + std::to_string(number)), "old\n");
    Put(folder / ("x.log." + std::to_string(number) + ".idx"), "old");
  }
  Put(folder / "x.log.gz", "somebody else's");
  Put(folder / "x.log.7a", "somebody else's");
  Log log;
  log->Attach(Limited(folder / "x.log", program, 10'000, 3));
  program.Prints(NumberedLines(0, 10'000));
  log.Finish();
  int files = 0;
  const std::string kept = Together(folder / "x.log", &files);
  CHECK(files == 3);
  CHECK(NumberedLines(0, 10'000).ends_with(kept));
  CHECK(!os::FactsOf(folder / "x.log.50"));
  CHECK(!os::FactsOf(folder / "x.log.50.idx"));
  CHECK(os::FactsOf(folder / "x.log.gz").has_value());
  CHECK(os::FactsOf(folder / "x.log.7a").has_value());
}

TEST_CASE("all logs together keep to their limit: the oldest files of any of them go") {
  const Folder folder;
  const Program talker;
  const Program listener;
  Log log;
  log->SetMaxTotal(300'000);
  log->Attach(Limited(folder / "old.log", listener, 50'000, 0));
  listener.Prints(NumberedLines(0, 15'000));  // some 200,000 bytes
  Eventually([&] { return os::FactsOf(folder / "old.log.4").has_value(); }, "rotated");
  for (const char* name : {"old.log.1", "old.log.2", "old.log.3", "old.log.4"}) {
    const std::filesystem::path path = folder / name;
    std::filesystem::last_write_time(
        path, std::filesystem::last_write_time(path) - std::chrono::hours(1));
  }
  OutputSource source = Limited(folder / "new.log", talker, 50'000, 0);
  source.token = Token(2);
  log->Attach(std::move(source));
  talker.Prints(NumberedLines(0, 30'000));
  log.Finish(2);
  std::uint64_t total = 0;
  for (const char* name : {"old.log", "new.log"}) total += Together(folder / name).size();
  CHECK(total <= 300'000);
  CHECK(Together(folder / "new.log").size() > 200'000);
  CHECK(Together(folder / "new.log").ends_with(NumberedLines(29'000, 1'000)));
}

TEST_CASE("a rotation that a crash cut short is finished by the next one") {
  const Folder folder;
  const std::string path = folder / "x.log";
  Put(path, "newest\n");
  Put(path + ".1", "newer\n");
  Put(path + ".2", "older\n");
  const LogRules rules{.max_bytes = 1, .max_files = 5, .max_days = 0};

  SUBCASE("between moving up the old ones") {
    std::filesystem::rename(path + ".2", path + ".3");
    REQUIRE(RotateLog(path, rules).has_value());
    CHECK(Contents(path + ".1") == "newest\n");
    CHECK(Contents(path + ".2") == "newer\n");
    CHECK(Contents(path + ".3") == "older\n");
  }
  SUBCASE("before the new file was made") {
    std::filesystem::rename(path + ".2", path + ".3");
    std::filesystem::rename(path + ".1", path + ".2");
    std::filesystem::rename(path, path + ".1");
    const Program program;
    Log log;
    log->Attach(Limited(path, program, 0, 5));
    program.Prints("after\n");
    log.Finish();
    CHECK(Contents(path) == "after\n");
    CHECK(Contents(path + ".1") == "newest\n");
    CHECK(Contents(path + ".3") == "older\n");
  }
}

TEST_CASE("rotated files older than max_days go") {
  const Folder folder;
  const std::string path = folder / "x.log";
  Put(path + ".1", "young\n");
  Put(path + ".2", "old\n");
  const auto days_ago = [](int days) {
    return std::filesystem::file_time_type::clock::now() - std::chrono::hours(24 * days);
  };
  std::filesystem::last_write_time(path + ".1", days_ago(6));
  std::filesystem::last_write_time(path + ".2", days_ago(8));
  PruneRotated(path, {.max_bytes = 0, .max_files = 0, .max_days = 7},
               std::chrono::system_clock::now());
  CHECK(os::FactsOf(path + ".1").has_value());
  CHECK(!os::FactsOf(path + ".2"));
}

TEST_CASE("a log that was begun more than max_days ago is rotated") {
  const Folder folder;
  const std::string path = folder / "x.log";
  Put(path, "ancient\n");
  const auto inode = os::FactsOf(path)->inode;
  const auto then = std::chrono::system_clock::now() - std::chrono::hours(24 * 8);
  REQUIRE(os::LogIndexWriter::Open(path, inode, 8, then).has_value());
  const Program program;
  Log log;
  OutputSource source = SourceTo(path, program);
  source.logs.max_days = 7;
  log->Attach(std::move(source));
  program.Prints("today\n");
  log.Finish();
  CHECK(Contents(path + ".1") == "ancient\n");
  CHECK(Contents(path) == "today\n");
}

TEST_CASE("the time index goes with its log") {
  const Folder folder;
  const Program program;
  Log log;
  log->Attach(Limited(folder / "x.log", program, 10'000, 5));
  program.Prints(NumberedLines(0, 2000));
  log.Finish();
  for (const char* name : {"x.log", "x.log.1", "x.log.2"}) {
    const auto facts = os::FactsOf(folder / name);
    REQUIRE(facts.has_value());
    const os::LogIndex index = os::LogIndex::Open(folder / name, facts->inode);
    REQUIRE(index.count() > 0);
    CHECK(index.At(0)->offset == 0);
    CHECK(index.At(0)->token == Token(1));
  }
}

TEST_CASE("a rotation that fails leaves the log growing, and says so once") {
  const Folder folder;
  const Program program;
  std::filesystem::create_directories(folder / "x.log.1/in the way");
  Log log;
  log->Attach(Limited(folder / "x.log", program, 1000, 1));
  program.Prints(NumberedLines(0, 1000));
  log.Finish();
  CHECK(Contents(folder / "x.log") == NumberedLines(0, 1000));
  CHECK(log.Next<output_event::Trouble>().text.find("rename log") == 0);
  CHECK(!log.Has<output_event::Trouble>());
}

}  // namespace
}  // namespace oxherd::test
