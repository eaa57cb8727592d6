// What the tests of the output log share: a folder, pipes that a test prints into, and waiting for
// what comes of it.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/output/output_log.h"
#include "doctest/doctest.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/log_file.h"
#include "os/log_index.h"
#include "tests/temporary.h"

namespace oxherd::test {

// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() { path_ = test::MakeTemporaryFolder("output"); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Empty also if there is no such file.
inline std::string Contents(const std::string& path) {
  const os::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  const auto facts = os::FactsOf(file);
  if (!facts) return text;
  text.resize(facts->size);
  const auto got = os::ReadAt(file, 0, text);
  text.resize(got ? *got : 0);
  return text;
}

inline void Put(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Waits for something that another thread or process brings about: looks again and again, as there
// is no descriptor to wait for, and fails after ten seconds.
inline void Eventually(const std::function<bool()>& claim, const char* what) {
  const Instant deadline = os::Now() + Seconds(10);
  while (!claim()) {
    REQUIRE_MESSAGE(os::Now() < deadline, what);
    poll(nullptr, 0, 1);
  }
}

// A program's end of a pipe, and ours.
struct Program {
  os::Pipe pipe;
  Program() : pipe(std::move(*os::MakePipe(os::PipeReading::kDoesNotBlock))) {}

  void Prints(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t count = write(pipe.write_end.get(), text.data(), text.size());
      REQUIRE(count > 0);
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  // As the keeper does: the read end stays held elsewhere.
  [[nodiscard]] os::Fd ReadEnd() const { return std::move(*os::Duplicate(pipe.read_end.get())); }
};

inline OutputSource SourceTo(const std::string& path, const Program& program,
                             std::uint64_t token = 1) {
  OutputSource source;
  source.token = Token(token);
  source.instance = {"api", 0};
  source.generation = Generation(1);
  source.logs.out_path = path;
  source.logs.err_path = path;
  source.logs.max_bytes = 0;
  source.logs.compress = false;
  source.out = program.ReadEnd();
  return source;
}

// The output log of a daemon, with its events in the order in which they came.
class Log {
 public:
  explicit Log(const OutputLog::Options& options = {})
      : log_(std::move(*OutputLog::Open(options))) {}

  OutputLog* operator->() const { return log_.get(); }

  // The next event of this kind; others are kept for later.
  template <typename Event>
  Event Next() {
    const Instant deadline = os::Now() + Seconds(10);
    for (;;) {
      for (auto at = events_.begin(); at != events_.end(); ++at) {
        if (auto* found = std::get_if<Event>(&*at)) {
          Event event = std::move(*found);
          events_.erase(at);
          return event;
        }
      }
      pollfd ready{.fd = log_->event_fd(), .events = POLLIN, .revents = 0};
      const auto left = ToMillis(deadline - os::Now());
      REQUIRE(left > 0);
      REQUIRE(poll(&ready, 1, static_cast<int>(left)) == 1);
      for (auto& event : log_->TakeEvents()) events_.push_back(std::move(event));
    }
  }
  template <typename Event>
  [[nodiscard]] bool Has() {
    for (auto& event : log_->TakeEvents()) events_.push_back(std::move(event));
    return std::ranges::any_of(
        events_, [](const OutputEvent& event) { return std::holds_alternative<Event>(event); });
  }

  // Everything that was printed is in the files when this returns.
  void Finish(std::uint64_t token = 1) {
    log_->Detach(Token(token));
    CHECK(Next<output_event::Detached>().token == Token(token));
  }

  std::vector<std::string> Tail(const OutputSource& of, std::uint16_t lines) {
    log_->RequestTail({.token = of.token, .logs = of.logs, .lines = lines});
    return Next<output_event::Tail>().lines;
  }

 private:
  std::unique_ptr<OutputLog> log_;
  std::vector<OutputEvent> events_;
};

// "line 0000042\n"…
inline std::string NumberedLines(int first, int count) {
  std::string text;
  for (int i = first; i < first + count; ++i) {
    std::string number = std::to_string(i);
    text += "line " + std::string(8 - number.size(), '0') + number + "\n";
  }
  return text;
}

}  // namespace oxherd::test
