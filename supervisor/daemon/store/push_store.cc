#include "daemon/store/push_store.h"

#include <cerrno>
#include <utility>

#include "os/file.h"

namespace oxherd {

Result<std::vector<control::PendingPush>> PushStore::Load() const {
  const std::string path = folder_ + "/" + kFile;
  auto text = os::ReadFile(path, kMaxBytes);
  if (!text && text.error().number == ENOENT) return {};
  if (!text) return std::unexpected(std::move(text).error());
  auto pushes = control::DecodePendingPushes(*text);
  if (!pushes) return std::unexpected(std::move(pushes).error().In(path));
  return pushes;
}

void PushStore::Save(const std::vector<control::PendingPush>& pushes,
                     std::function<void(Status)> done) {
  if (!writer_) {
    auto started = Background::Start("oxherd-pushes");
    if (!started) return done(std::unexpected(std::move(started).error()));
    writer_ = std::move(*started);
  }
  writer_->Post([&loop = loop_, folder = folder_, text = control::EncodePendingPushes(pushes),
                 done = std::move(done)]() mutable {
    Status saved = os::ReplaceFile(folder, kFile, text);
    CallLater(loop, [saved = std::move(saved), done = std::move(done)] { done(saved); });
  });
}

}  // namespace oxherd
