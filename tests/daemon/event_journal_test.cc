#include "daemon/store/event_journal.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "tests/temporary.h"

namespace oxherd {
namespace {

namespace fs = std::filesystem;
using control::EventRecord;

class Temporary {
 public:
  Temporary() : path_(test::MakeTemporaryFolder("events")) {}
  ~Temporary() { fs::remove_all(path_); }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

EventRecord Ready(const std::string& service) {
  return {.number = 0,
          .unix_ms = 1'763'787'817'120,
          .kind = "ready",
          .service = service,
          .slot = 0,
          .generation = Generation(3),
          .text = "ready in 4 ms \"x\"",
          .failed = false,
          .out_of_memory = false};
}

std::vector<EventRecord> In(const fs::path& file) {
  std::ifstream in(file);
  std::vector<EventRecord> events;
  for (std::string line; std::getline(in, line);) {
    if (auto event = control::DecodeEvent(line)) events.push_back(std::move(*event));
  }
  return events;
}

std::unique_ptr<EventJournal> Opened(const fs::path& folder, EventJournal::Limits limits = {}) {
  auto journal = EventJournal::Open(folder.string(), limits);
  REQUIRE(journal);
  return std::move(*journal);
}

TEST_CASE("an event comes out of its line as it went in") {
  EventRecord event = Ready("api");
  event.number = 7;
  event.failed = true;
  event.out_of_memory = true;
  CHECK(control::DecodeEvent(control::EncodeEvent(event)) == event);
  CHECK_FALSE(control::DecodeEvent("{\"number\":1}").has_value());
  CHECK_FALSE(control::DecodeEvent("half a li").has_value());
}

TEST_CASE("numbers go on without a gap when the daemon is started anew, also behind half a line") {
  const Temporary folder;
  const fs::path file = folder.path() / control::kEventFile;
  for (int daemon = 0; daemon < 3; ++daemon) {
    const auto journal = Opened(folder.path());
    for (int i = 0; i < 4; ++i) {
      EventRecord event = Ready("api");
      journal->Add(event);
      CHECK(event.number == static_cast<std::uint64_t>(daemon * 4 + i + 1));
    }
  }
  CHECK(In(file).size() == 12);
  std::ofstream(file, std::ios::app) << "{\"v\":1,\"numb";  // killed while it wrote
  {
    EventRecord event = Ready("api");
    Opened(folder.path())->Add(event);
    CHECK(event.number == 13);
  }
  CHECK(In(file).size() == 13);
  CHECK(In(file).back().number == 13);
}

TEST_CASE("the journal is two files of a bounded size, and the newest events are in them") {
  const Temporary folder;
  constexpr std::uint64_t kEvents = 500;
  for (std::uint64_t number = 1; number <= kEvents; number += 5) {
    const auto journal = Opened(folder.path(), {.file_bytes = 4096, .waiting_bytes = 1024});
    for (int i = 0; i < 5; ++i) {
      EventRecord event = Ready("api");
      journal->Add(event);
    }
  }
  const auto size = [&](const char* name) { return fs::file_size(folder.path() / name); };
  CHECK(size(control::kEventFile) < 4096 + 1024);
  CHECK(size(control::kOlderEventFile) < 4096 + 1024);
  const auto older = In(folder.path() / control::kOlderEventFile);
  const auto newer = In(folder.path() / control::kEventFile);
  REQUIRE_FALSE(older.empty());
  REQUIRE_FALSE(newer.empty());
  CHECK(newer.back().number == kEvents);
  CHECK(older.back().number + 1 == newer.front().number);
}

TEST_CASE("a folder that takes nothing costs events and nothing else") {
  const Temporary folder;
  const auto journal = Opened(folder.path() / "gone");
  EventRecord event = Ready("api");
  journal->Add(event);
  CHECK(event.number == 1);
}

}  // namespace
}  // namespace oxherd
