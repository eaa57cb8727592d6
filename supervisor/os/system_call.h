// How this folder calls the kernel: one place that retries EINTR and where a test makes a call
// fail.
//
// Two kinds of results come out of os/. Result<T> (base/error.h) has a message for people and may
// allocate. SystemResult<T> has only the errno: for what the keeper calls after its start, where
// nothing allocates.
#pragma once

#include <cerrno>
#include <cstdint>
#include <expected>

#include "base/error.h"

namespace oxherd::os {

// The errno of a failed call, by itself.
struct [[nodiscard]] Errno {
  int number = 0;
};

template <typename T>
using SystemResult = std::expected<T, Errno>;
using SystemStatus = SystemResult<void>;

// The errno of this moment, as the error of a SystemResult.
[[nodiscard]] inline std::unexpected<Errno> LastErrno() { return std::unexpected(Errno{errno}); }

// The same failure as a Result, with "context: " in front.
[[nodiscard]] inline std::unexpected<Error> ToError(std::string_view context, Errno failure) {
  return ErrnoError(context, failure.number);
}

// The seam for tests: the call that comes after `calls_before` others fails once with
// `error_number`, without reaching the kernel. Counts the calls of all threads. Never used outside
// tests.
void FailCall(std::uint64_t calls_before, int error_number);
// Takes a planned failure back; true if it was still to come.
bool CancelFailure();
// True, with errno set, if this very call is the one that has to fail.
[[nodiscard]] bool FailureIsDue();

// Makes the call, again while it is interrupted; -1 and errno as system calls do.
template <typename Call>
[[nodiscard]] auto Try(Call call) -> decltype(call()) {
  if (FailureIsDue()) return static_cast<decltype(call())>(-1);
  for (;;) {
    const auto result = call();
    if (result != static_cast<decltype(call())>(-1) || errno != EINTR) return result;
  }
}

}  // namespace oxherd::os
