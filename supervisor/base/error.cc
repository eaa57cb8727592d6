#include "base/error.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace oxherd {

Error Error::In(std::string_view context) && {
  std::string longer(context);
  longer += ": ";
  longer += message;
  return Error{std::move(longer), number};
}

std::string ErrnoText(int number) {
  std::array<char, 128> buffer{};
  // GNU strerror_r: the answer may or may not be in the buffer.
  return ::strerror_r(number, buffer.data(), buffer.size());
}

std::unexpected<Error> ErrnoError(std::string_view context, int number) {
  std::string message(context);
  message += ": ";
  message += ErrnoText(number);
  return std::unexpected(Error{std::move(message), number});
}

std::unexpected<Error> MakeError(std::string message) {
  return std::unexpected(Error{std::move(message), 0});
}

void CheckFailed(const char* file, int line, std::string_view what_is_broken) {
  std::fprintf(stderr, "%s:%d: our own bug: %.*s\n", file, line,
               static_cast<int>(what_is_broken.size()), what_is_broken.data());
  std::abort();
}

}  // namespace oxherd
