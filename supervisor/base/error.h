// Result<T>: either a value or an Error that a person can read; our code does not throw.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace oxherd {

// What went wrong: one line, "where: what; how to mend", and the errno behind it (0 if none).
struct [[nodiscard]] Error {
  std::string message;
  int number = 0;

  // The same error with "context: " in front, as it travels up.
  Error In(std::string_view context) &&;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// An Error for the errno of this moment: "context: No such file or directory". Call it before
// anything else can change errno. Source: strerror_r(3).
[[nodiscard]] std::unexpected<Error> ErrnoError(std::string_view context, int number = errno);

[[nodiscard]] std::unexpected<Error> MakeError(std::string message);

// "No such file or directory" for ENOENT; never null, thread-safe.
[[nodiscard]] std::string ErrnoText(int number);

}  // namespace oxherd

#define OXHERD_JOIN_INNER(a, b) a##b
#define OXHERD_JOIN(a, b) OXHERD_JOIN_INNER(a, b)

// Returns the error of `expression` to the caller, if it has one.
#define OXHERD_TRY(expression)                                          \
  do {                                                                  \
    if (auto oxherd_status = (expression); !oxherd_status) [[unlikely]] \
      return std::unexpected(std::move(oxherd_status).error());         \
  } while (false)

// Declares or assigns `target` from the value of `expression`, or returns its error.
#define OXHERD_TRY_ASSIGN(target, expression) \
  OXHERD_TRY_ASSIGN_INNER(OXHERD_JOIN(oxherd_result_, __LINE__), target, expression)
#define OXHERD_TRY_ASSIGN_INNER(result, target, expression) \
  auto result = (expression);                               \
  if (!result) [[unlikely]]                                 \
    return std::unexpected(std::move(result).error());      \
  target = std::move(result).value()
