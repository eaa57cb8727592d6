#include "daemon/store/event_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "os/fd.h"
#include "os/file.h"

namespace oxherd {
namespace {

// Of the last line that is whole; 0: there is none.
std::uint64_t LastNumberIn(const std::string& path, std::uint64_t most) {
  const Result<std::string> text = os::ReadFile(path, most * 2);
  if (!text) return 0;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t end = rest.rfind('\n');
    if (end == std::string_view::npos) return 0;
    rest = rest.substr(0, end);
    const std::size_t begin = rest.rfind('\n');
    const auto event =
        control::DecodeEvent(rest.substr(begin == std::string_view::npos ? 0 : begin + 1));
    if (event) return event->number;
  }
  return 0;
}

}  // namespace

Result<std::unique_ptr<EventJournal>> EventJournal::Open(std::string folder, const Limits& limits) {
  std::unique_ptr<EventJournal> journal(new EventJournal(std::move(folder), limits));
  for (const char* name : {control::kEventFile, control::kOlderEventFile}) {
    const std::uint64_t number =
        LastNumberIn(journal->folder_ + "/" + name, limits.file_bytes + limits.waiting_bytes);
    journal->last_number_ = std::max(journal->last_number_, number);
  }
  OXHERD_TRY_ASSIGN(journal->writer_, Background::Start("oxherd-events"));
  return journal;
}

void EventJournal::Add(control::EventRecord& event) {
  event.number = last_number_ + 1;
  const std::string line = control::EncodeEvent(event);
  {
    const std::lock_guard lock(mutex_);
    ++last_number_;
    if (waiting_.size() + line.size() > limits_.waiting_bytes) return;
    waiting_ += line;
    if (std::exchange(is_asked_, true)) return;
  }
  writer_->Post([this] { Write(); });
}

void EventJournal::Write() {
  std::string lines;
  {
    const std::lock_guard lock(mutex_);
    lines = std::exchange(waiting_, {});
    is_asked_ = false;
  }
  const std::string path = folder_ + "/" + control::kEventFile;
  struct stat facts{};
  const bool is_full = ::stat(path.c_str(), &facts) == 0 &&
                       static_cast<std::uint64_t>(facts.st_size) >= limits_.file_bytes;
  if (is_full) ::rename(path.c_str(), (folder_ + "/" + control::kOlderEventFile).c_str());
  const os::Fd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return;
  // One that was killed while it wrote may have left half a line.
  const bool is_torn = [&] {
    if (is_full || facts.st_size == 0) return false;
    char last = '\n';
    const os::Fd reading(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    return ::pread(reading.get(), &last, 1, facts.st_size - 1) == 1 && last != '\n';
  }();
  if (is_torn) lines.insert(lines.begin(), '\n');
  for (std::string_view rest = lines; !rest.empty();) {
    const ssize_t written = ::write(file.get(), rest.data(), rest.size());
    if (written <= 0) return;  // a full disk: what is missing shows in the numbers
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace oxherd
