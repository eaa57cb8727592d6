#include "cli/logs/files.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace oxherd::cli {

void LogFiles::Open() {
  files_.clear();
  next_number_ = 1;
  if (auto reader = os::LogReader::Open(path_)) files_.push_back(std::move(*reader));
}

// A rotation may be under way: then one number is missing, and files move up while we look for
// them. Going upwards none is missed, but one may be met twice; what was met in between is newer
// than it, and is found when we look again.
void LogFiles::Append(os::LogReader reader) {
  const auto known = std::ranges::find_if(
      files_, [&](const os::LogReader& other) { return other.HasSameLog(reader); });
  if (known == files_.end()) {
    files_.push_back(std::move(reader));
  } else {
    files_.erase(known + 1, files_.end());
  }
}

os::LogReader* LogFiles::At(std::size_t age) {
  for (int missing = 0; !files_.empty() && files_.size() <= age && missing < 2;) {
    if (next_number_ > kMaxFiles) return nullptr;
    auto older = os::LogReader::OpenRotated(path_ + "." + std::to_string(next_number_));
    ++next_number_;
    missing = older ? 0 : missing + 1;
    if (older) Append(std::move(*older));
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
  // We keep the file that we are in, whatever has become of its name.
  os::LogReader ours = std::move(files_[std::min(position.age, files_.size() - 1)]);
  Open();
  std::size_t age = 0;
  while (At(age) != nullptr && !files_[age].HasSameLog(ours)) ++age;
  if (age == files_.size()) {
    // It is called something else, or nothing, by now: only the newest one is surely newer.
    age = std::min<std::size_t>(age, 1);
    files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(age), files_.end());
    files_.push_back(std::move(ours));
  } else {
    files_[age] = std::move(ours);
  }
  position.age = age;
  return Change::kRotated;
}

}  // namespace oxherd::cli
