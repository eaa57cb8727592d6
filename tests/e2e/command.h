// Runs programs as a person's shell would, and waits for them with a deadline that fails loudly.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace oxherd::e2e {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

// What a measured time may be multiplied by under the sanitizers.
inline constexpr int kPatience = kSanitized ? 5 : 1;

struct Invocation {
  std::vector<std::string> words;             // the program and its arguments
  std::string folder;                         // empty: ours
  std::vector<std::string> environment;       // "NAME=value"; the whole of it
  std::function<void()> before_exec = [] {};  // in the child: async-signal-safe calls only
};

// How a program ended. exit_code is 128 + the signal where a signal ended it, as a shell says it.
struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
  milliseconds took{};

  [[nodiscard]] std::string all() const { return out + err; }
};

// A program in the background. Its output is read through pipes: a process that it leaves behind
// and that keeps them open makes Wait() fail, as it would make `oxherd start | cat` hang.
class Command {
 public:
  explicit Command(const Invocation& invocation);
  Command(Command&& other) noexcept;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  Command& operator=(Command&&) = delete;
  ~Command();  // kills and reaps what was not waited for

  [[nodiscard]] pid_t pid() const { return pid_; }
  void Signal(int number) const;

  // Reads until stdout contains `text`; fails the test after `deadline`. Returns all of stdout.
  std::string ReadUntil(std::string_view text, milliseconds deadline = seconds(10));

  // Reads to the end of both pipes and reaps; fails the test (and kills) after `deadline`.
  Outcome Wait(milliseconds deadline = seconds(20));

 private:
  // False once both pipes are at their end.
  bool ReadSome(SteadyClock::time_point until);
  [[nodiscard]] std::string Described() const;

  pid_t pid_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;
  std::string name_;
  SteadyClock::time_point started_;
  Outcome outcome_;
};

// Asks `condition` every few milliseconds until it holds; fails the test with `what` after
// `deadline`.
void WaitUntil(std::string_view what, const std::function<bool()>& condition,
               milliseconds deadline = seconds(10));

}  // namespace oxherd::e2e
