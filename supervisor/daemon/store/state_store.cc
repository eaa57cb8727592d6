#include "daemon/store/state_store.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "control/words.h"
#include "daemon/store/state_file.h"
#include "os/file.h"

namespace oxherd {
namespace {

constexpr const char* kName = "state.json";
constexpr const char* kPreviousName = "state.json.previous";

std::string PathOf(const std::string& folder, const char* name) { return folder + "/" + name; }

// The file of now becomes the previous one; a failure costs only the second chance.
void KeepPrevious(const std::string& folder) {
  const std::string now = PathOf(folder, kName);
  const std::string temporary = PathOf(folder, "state.json.previous.tmp");
  unlink(temporary.c_str());
  if (link(now.c_str(), temporary.c_str()) != 0) return;
  if (rename(temporary.c_str(), PathOf(folder, kPreviousName).c_str()) != 0) {
    unlink(temporary.c_str());
  }
}

Status WriteFile(const std::string& folder, const event::Boot& wishes) {
  KeepPrevious(folder);
  return os::ReplaceFile(folder, kName, EncodeStateFile(wishes));
}

}  // namespace

StateStore::Loaded StateStore::Load(const std::string& folder) {
  Loaded loaded;
  for (const char* const name : {kName, kPreviousName}) {
    const std::string path = PathOf(folder, name);
    Result<std::string> text = os::ReadFile(path, kMaxStateFileBytes);
    if (!text && text.error().number == ENOENT) continue;
    Result<event::Boot> wishes = text ? DecodeStateFile(*text) : std::unexpected(text.error());
    if (wishes) {
      loaded.wishes = std::move(*wishes);
      if (!loaded.warnings.empty()) loaded.warnings.push_back(path + " is used instead");
      return loaded;
    }
    std::string warning = path + ": " + wishes.error().message;
    if (text && rename(path.c_str(), (path + ".damaged").c_str()) == 0) {
      warning += "; kept as " + path + ".damaged";
    }
    loaded.warnings.push_back(std::move(warning));
  }
  if (!loaded.warnings.empty()) {
    loaded.warnings.emplace_back("what was wanted is not known; start it again with oxherd start");
  }
  return loaded;
}

Result<std::unique_ptr<StateStore>> StateStore::Open(std::string folder) {
  os::Fd event_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_fd) return ErrnoError("eventfd");
  std::unique_ptr<StateStore> store(new StateStore(std::move(folder), std::move(event_fd)));
  OXHERD_TRY_ASSIGN(store->writer_, Background::Start("oxherd-save"));
  return store;
}

StateStore::~StateStore() = default;

void StateStore::Save(event::Boot wishes) {
  {
    const std::lock_guard lock(mutex_);
    // A job that is on its way takes the newest.
    if (std::exchange(wanted_, std::move(wishes))) return;
  }
  writer_->Post([this] { Write(); });
}

void StateStore::Write() {
  std::optional<event::Boot> wishes;
  {
    const std::lock_guard lock(mutex_);
    wishes = std::exchange(wanted_, std::nullopt);
    if (!wishes) return;
    is_writing_ = true;
  }
  const Status written = WriteFile(folder_, *wishes);
  {
    const std::lock_guard lock(mutex_);
    is_writing_ = false;
    trouble_.reset();
    if (!written) {
      trouble_ =
          written.error().message + "; tried again in " + control::DurationText(retry_.count());
      if (!wanted_) wanted_ = std::move(wishes);
      writer_->Later(retry_, [this] { Write(); });
      retry_ = std::min(retry_ * 2, kLongestRetry);
    } else {
      retry_ = kFirstRetry;
    }
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t said = write(event_fd_.get(), &one, sizeof one);
}

std::optional<std::string> StateStore::TakeOutcome() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = read(event_fd_.get(), &count, sizeof count);
  const std::lock_guard lock(mutex_);
  return trouble_;
}

bool StateStore::is_settled() const {
  const std::lock_guard lock(mutex_);
  return !wanted_ && !is_writing_;
}

}  // namespace oxherd
