#include "daemon/store/background.h"

#include <signal.h>

#include <utility>

#include "os/clock.h"

namespace oxherd {

Result<std::unique_ptr<Background>> Background::Start(const char* name) {
  std::unique_ptr<Background> background(new Background());
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // Signals are the loop's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed =
      pthread_create(&background->thread_, &attributes, &Background::Main, background.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (failed != 0) {
    background->is_ending_ = true;
    background->thread_ = {};
    return ErrnoError("start a thread", failed);
  }
  pthread_setname_np(background->thread_, name);
  return background;
}

Background::~Background() {
  {
    const std::lock_guard lock(mutex_);
    if (is_ending_) return;  // it never began
    is_ending_ = true;
  }
  changed_.notify_one();
  pthread_join(thread_, nullptr);
}

void Background::Post(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void Background::Later(Duration delay, std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    later_ = std::move(job);
    later_at_ = os::Now() + delay;
  }
  changed_.notify_one();
}

void* Background::Main(void* self) {
  static_cast<Background*>(self)->Run();
  return nullptr;
}

void Background::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::function<void()> job;
    if (!jobs_.empty()) {
      job = std::move(jobs_.front());
      jobs_.pop_front();
    } else if (is_ending_) {
      return;
    } else if (later_ && later_at_ <= os::Now()) {
      job = std::exchange(later_, nullptr);
      later_at_ = kNever;
    } else if (later_) {
      changed_.wait_until(lock, later_at_);
      continue;
    } else {
      changed_.wait(lock);
      continue;
    }
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

}  // namespace oxherd
