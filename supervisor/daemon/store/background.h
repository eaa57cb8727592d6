// One thread beside the loop, for what may take long: fsync on a slow disk, looking up names.
//
// Jobs run one after the other, in order. They must not touch what the loop's thread owns.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/time.h"

namespace oxherd {

class Background {
 public:
  static constexpr std::size_t kStackBytes = 256UL * 1024;

  // Starts the thread (pthread_create(3)); `name` shows in /proc.
  [[nodiscard]] static Result<std::unique_ptr<Background>> Start(const char* name);
  // Runs what is waiting, but for what Later() put off, and ends the thread.
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  void Post(std::function<void()> job);
  // Runs the job after a while; one such job at a time, a newer one takes the place of an older.
  void Later(Duration delay, std::function<void()> job);

 private:
  Background() = default;
  static void* Main(void* self);
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::function<void()> later_;
  Instant later_at_ = kNever;
  bool is_ending_ = false;
  pthread_t thread_{};
};

}  // namespace oxherd
