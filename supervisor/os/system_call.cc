#include "os/system_call.h"

#include <atomic>

namespace oxherd::os {
namespace {

// The seam has to be reachable from everywhere below, so these two are the folder's only globals.
// The count is the number of calls that may still pass, plus one; 0: nothing is planned.
constinit std::atomic<std::uint64_t> calls_to_failure = 0;
constinit std::atomic<int> failure_number = 0;

}  // namespace

void FailCall(std::uint64_t calls_before, int error_number) {
  failure_number.store(error_number, std::memory_order_relaxed);
  calls_to_failure.store(calls_before + 1, std::memory_order_relaxed);
}

bool CancelFailure() { return calls_to_failure.exchange(0, std::memory_order_relaxed) != 0; }

bool FailureIsDue() {
  std::uint64_t left = calls_to_failure.load(std::memory_order_relaxed);
  if (left == 0) [[likely]]
    return false;
  while (left != 0 &&
         !calls_to_failure.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
  }
  if (left != 1) return false;
  errno = failure_number.load(std::memory_order_relaxed);
  return true;
}

}  // namespace oxherd::os
