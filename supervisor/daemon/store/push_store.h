// Keeps on the disk which pushes are still to be done (pushes.json), for the next daemon.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "control/pending_push.h"
#include "daemon/later.h"
#include "daemon/store/background.h"

namespace oxherd {

class PushStore {
 public:
  static constexpr const char* kFile = "pushes.json";
  static constexpr std::size_t kMaxBytes = std::size_t{64} * 1024 * 1024;

  // `folder`: the state folder.
  PushStore(boost::asio::io_context& loop, std::string folder)
      : loop_(loop), folder_(std::move(folder)) {}

  // What is there; none without a file. Blocks for the disk: for the start.
  [[nodiscard]] Result<std::vector<control::PendingPush>> Load() const;

  // Returns at once. `done` is called from the loop when these, and no others, are on the disk
  // (os/file.h: ReplaceFile), or cannot be put there.
  void Save(const std::vector<control::PendingPush>& pushes, std::function<void(Status)> done);

 private:
  boost::asio::io_context& loop_;
  std::string folder_;
  std::unique_ptr<Background> writer_;  // begun with the first push
};

}  // namespace oxherd
