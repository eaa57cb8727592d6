// How a process ended: with an exit code or by a signal, never mixed up.
#pragma once

#include <cstdint>
#include <string>

namespace oxherd {

struct ExitStatus {
  enum class Kind : std::uint8_t {
    kCode,     // exit(2); `number` is the exit code, 0..255
    kSignal,   // killed; `number` is the signal
    kUnknown,  // gone while nobody could see how (keeper lost); treated as a failure
  };

  Kind kind = Kind::kUnknown;
  std::uint8_t number = 0;
  bool out_of_memory = false;  // killed by the kernel's OOM killer

  [[nodiscard]] static constexpr ExitStatus Code(int code) {
    return {Kind::kCode, static_cast<std::uint8_t>(code), false};
  }
  [[nodiscard]] static constexpr ExitStatus Signal(int signal) {
    return {Kind::kSignal, static_cast<std::uint8_t>(signal), false};
  }
  // From the status of waitpid(2).
  [[nodiscard]] static ExitStatus FromWait(int wait_status);

  [[nodiscard]] constexpr bool success() const { return kind == Kind::kCode && number == 0; }

  // "exit 1", "SIGKILL", "SIGKILL (out of memory)", "exit status unknown".
  [[nodiscard]] std::string Text() const;

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

}  // namespace oxherd
