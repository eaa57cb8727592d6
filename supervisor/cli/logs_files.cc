#include "cli/logs_files.h"

#include <algorithm>
#include <utility>

namespace oxherd::cli {

std::string LogFiles::NameOf(std::size_t age) const {
  return age == 0 ? path_ : path_ + "." + std::to_string(age);
}

void LogFiles::Open() {
  files_.clear();
  if (auto reader = os::LogReader::Open(path_)) files_.push_back(std::move(*reader));
}

os::LogReader* LogFiles::At(std::size_t age) {
  while (!files_.empty() && files_.size() <= age && files_.size() < kMaxFiles) {
    auto older = os::LogReader::Open(NameOf(files_.size()));
    if (!older) return nullptr;
    files_.push_back(std::move(*older));
  }
  return age < files_.size() ? &files_[age] : nullptr;
}

LogPosition LogFiles::End() { return {0, files_.empty() ? 0 : files_.front().Size()}; }

LogFiles::Change LogFiles::Refresh(LogPosition& position) {
  if (files_.empty()) {
    Open();
    position = {};
    return files_.empty() ? Change::kNone : Change::kRotated;
  }
  const auto now = os::FactsOf(path_);
  if (!now) return Change::kNone;  // between two names: it comes back
  if (now->SameFile(files_.front().facts())) {
    if (position.age != 0 || now->size >= position.offset) return Change::kNone;
    position.offset = 0;
    files_.front().ReopenIndex();
    return Change::kShortened;
  }
  // Which number has the file that we are in got?
  os::LogReader* current = At(position.age);
  const os::FileFacts ours = current != nullptr ? current->facts() : files_.front().facts();
  const std::uint64_t offset = position.offset;
  Open();
  for (std::size_t age = 0; age < kMaxFiles; ++age) {
    const os::LogReader* reader = At(age);
    if (reader == nullptr) break;
    if (!reader->facts().SameFile(ours)) continue;
    position = {age, offset};
    return Change::kRotated;
  }
  files_.resize(std::min<std::size_t>(files_.size(), 1));
  position = {};
  return Change::kRotated;
}

}  // namespace oxherd::cli
