// Check: stops the program when one of our own assumptions is broken.
//
// Only for our own bugs. Users, children, files and the kernel never reach a Check: what they can
// do wrong is a Result (base/error.h).
#pragma once

#include <string_view>

namespace oxherd {

// Writes "file:line: what is broken" to standard error and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, std::string_view what_is_broken);

}  // namespace oxherd

#define OXHERD_CHECK(condition, what_is_broken)                  \
  do {                                                           \
    if (!(condition)) [[unlikely]]                               \
      ::oxherd::CheckFailed(__FILE__, __LINE__, what_is_broken); \
  } while (false)
