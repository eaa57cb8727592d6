#include "daemon/loop.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace oxherd {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

// What a watch and its pending handler share.
struct Watched {
  Watched(asio::io_context& context, int number, Loop::For what, std::function<void()> call)
      : descriptor(context, number),
        wait(what == Loop::For::kReading ? Descriptor::wait_read : Descriptor::wait_write),
        ready(std::move(call)) {}

  Descriptor descriptor;
  Descriptor::wait_type wait;
  std::function<void()> ready;
  bool is_watched = true;
};

void Await(const std::shared_ptr<Watched>& watched) {
  watched->descriptor.async_wait(watched->wait, [watched](const boost::system::error_code& error) {
    if (error || !watched->is_watched) return;
    watched->ready();
    if (watched->is_watched) Await(watched);
  });
}

class AsioWatch : public Loop::Watch {
 public:
  explicit AsioWatch(std::shared_ptr<Watched> watched) : watched_(std::move(watched)) {
    Await(watched_);
  }
  ~AsioWatch() override {
    watched_->is_watched = false;
    watched_->descriptor.release();
  }
  AsioWatch(const AsioWatch&) = delete;
  AsioWatch& operator=(const AsioWatch&) = delete;

 private:
  std::shared_ptr<Watched> watched_;
};

}  // namespace

class Loop::Impl {
 public:
  asio::io_context& context() { return context_; }

  void SetAlarm(Instant when) {
    // An alarm that comes too early costs one wake-up, setting it anew costs a system call each
    // time: it is moved only forward.
    if (when >= armed_) return;
    armed_ = when;
    timer_.expires_at(when);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) armed_ = kNever;
    });
  }

  void Wait() {
    if (context_.stopped()) context_.restart();
    context_.run_one();
    context_.poll();
  }

  std::size_t Poll() {
    if (context_.stopped()) context_.restart();
    return context_.poll();
  }

 private:
  asio::io_context context_{1};
  asio::steady_timer timer_{context_};
  Instant armed_ = kNever;
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

asio::io_context& Loop::context() { return impl_->context(); }

std::unique_ptr<Loop::Watch> Loop::WatchFor(For what, int descriptor, std::function<void()> ready) {
  return std::make_unique<AsioWatch>(
      std::make_shared<Watched>(impl_->context(), descriptor, what, std::move(ready)));
}

void Loop::SetAlarm(Instant when) { impl_->SetAlarm(when); }
void Loop::Wait() { impl_->Wait(); }
std::size_t Loop::Poll() { return impl_->Poll(); }

}  // namespace oxherd
