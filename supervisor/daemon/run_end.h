// When `oxherd run` ends by itself, and with which code. Pure.
#pragma once

#include <optional>
#include <string>

#include "core/state.h"

namespace oxherd {

struct RunRules {
  bool keep_going = false;     // --keep-going: what has failed does not end the others
  std::string exit_with = {};  // --exit-with NAME; empty: nobody's end is waited for
};

struct RunEnd {
  int code = 0;
  std::string why;  // for the log
};

// Nothing: it goes on. With `exit_with` the end of that service, whatever the others do, and its
// exit code (128 + N: signal N). Else 1 as soon as a service has failed for good, or with
// keep_going when nothing runs any more; and 0 when all is done.
[[nodiscard]] std::optional<RunEnd> EndOfRun(const State& state, const RunRules& rules);

}  // namespace oxherd
