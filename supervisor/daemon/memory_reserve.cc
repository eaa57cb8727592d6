#include "daemon/memory_reserve.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace oxherd {
namespace {

// operator new has no other place to look.
constinit std::atomic<void*> reserve = nullptr;
constinit thread_local int expendable_depth = 0;

// Source: operator new tries again after this has returned, and gives up when it throws.
void OnNoMemory() {
  void* const given_up = expendable_depth == 0 ? reserve.exchange(nullptr) : nullptr;
  if (given_up == nullptr) throw std::bad_alloc();
  std::free(given_up);  // NOLINT(cppcoreguidelines-no-malloc): operator new would ask us again
}

}  // namespace

void InstallMemoryReserve() {
  RefillMemoryReserve();
  std::set_new_handler(OnNoMemory);
}

void RefillMemoryReserve() {
  if (reserve.load(std::memory_order_relaxed) != nullptr) return;
  reserve = std::malloc(kMemoryReserve);  // NOLINT(cppcoreguidelines-no-malloc): as above
}

ExpendableWork::ExpendableWork() { ++expendable_depth; }
ExpendableWork::~ExpendableWork() { --expendable_depth; }

}  // namespace oxherd
