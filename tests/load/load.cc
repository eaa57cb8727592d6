#include "tests/load/load.h"

#include <utility>

#include "tests/load/engine.h"

namespace oxherd::load {

Load::Load(Plan plan) : plan_(std::move(plan)), progress_(std::make_unique<Progress>()) {
  thread_ = std::thread([this] {
    try {
      plan_.in_thread();
      counts_ = Engine(plan_, *progress_).Run();
    } catch (...) {
      error_ = std::current_exception();
    }
  });
}

Load::~Load() {
  if (thread_.joinable()) {
    progress_->stop = true;
    thread_.join();
  }
}

std::uint64_t Load::ok() const { return progress_->ok; }

std::uint64_t Load::failed() const { return progress_->failed; }

std::size_t Load::established() const { return progress_->established; }

Counts Load::Finish() {
  progress_->stop = true;
  return RunToEnd();
}

Counts Load::RunToEnd() {
  thread_.join();
  if (error_) {
    std::rethrow_exception(error_);
  }
  return std::move(counts_);
}

}  // namespace oxherd::load
