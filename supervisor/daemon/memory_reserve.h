// What the daemon does when no memory is to be had: a client's request fails, and everything else
// goes on from a reserve.
//
// The reserve is address space that nothing has touched, so it costs no memory until it is needed.
// Without it the daemon would end at the first allocation that fails; the keeper would start
// another one, which is well too, but somebody's large request should not come to that.
#pragma once

#include <cstddef>

namespace oxherd {

constexpr std::size_t kMemoryReserve = std::size_t{2} * 1024 * 1024;

// Sets the reserve aside and says what happens when memory runs out, for the whole process
// (std::set_new_handler). Call it once, before other threads are there.
void InstallMemoryReserve();

// Sets it aside anew if it was given up. Costs nothing as long as it was not.
void RefillMemoryReserve();

// While one lives, allocations of this thread that fail throw std::bad_alloc at once and leave the
// reserve alone. Only for work that can be dropped whole: somebody catches, and nothing is half
// done.
class ExpendableWork {
 public:
  ExpendableWork();
  ~ExpendableWork();
  ExpendableWork(const ExpendableWork&) = delete;
  ExpendableWork& operator=(const ExpendableWork&) = delete;
};

}  // namespace oxherd
