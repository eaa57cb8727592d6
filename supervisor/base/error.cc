#include "base/error.h"

#include <array>
#include <cstring>

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

}  // namespace oxherd
