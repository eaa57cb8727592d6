#include "os/tree_watch.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace oxherd::os {
namespace {

constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// One read; what does not fit is there at the next.
constexpr std::size_t kBuffer = std::size_t{64} * 1024;

std::string Joined(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : folder + "/" + std::string(name);
}

bool IsBelow(const std::string& path, const std::string& folder) {
  return folder.empty() || path == folder || path.starts_with(folder + "/");
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// What an entry is; a symbolic link is none of both.
bool IsFolder(const std::string& path, unsigned char kind) {
  if (kind != DT_UNKNOWN) return kind == DT_DIR;
  struct stat facts{};
  return ::lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

std::string LimitText(int number, std::size_t count) {
  const char* const limit = number == EMFILE ? "max_user_instances" : "max_user_watches";
  return "the kernel's limit of what may be watched is reached after " + std::to_string(count) +
         " folders; raise it (sysctl fs.inotify." + limit +
         "), or name more in watch_ignore. Changes elsewhere are not seen";
}

}  // namespace

Result<TreeWatch> TreeWatch::Open(const std::vector<std::string>& roots, Filter filter) {
  Fd inotify(Try([] { return ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }));
  if (!inotify && errno == EMFILE) return MakeError(LimitText(EMFILE, 0));
  if (!inotify) return ErrnoError("inotify");
  TreeWatch watch(std::move(inotify), std::move(filter));
  for (const std::string& path : roots) watch.roots_.push_back({.path = path, .file = {}});
  for (std::size_t i = 0; i < watch.roots_.size(); ++i) watch.Begin(i);
  return watch;
}

std::string TreeWatch::PathOf(const Folder& folder) const {
  const std::string& root = roots_[folder.root].path;
  return folder.path.empty() ? root : Joined(root, folder.path);
}

void TreeWatch::Begin(std::size_t index) {
  Root& root = roots_[index];
  struct stat facts{};
  const std::string whole = root.file.empty() ? root.path : Joined(root.path, root.file);
  root.is_there = ::stat(whole.c_str(), &facts) == 0;
  if (!root.is_there) return;
  const std::size_t slash = root.path.rfind('/');
  if (!S_ISDIR(facts.st_mode) && root.file.empty() && slash != std::string::npos) {
    root.file = root.path.substr(slash + 1);  // others replace it by a new one: its folder says so
    root.path.resize(std::max<std::size_t>(slash, 1));
  }
  tasks_.push_back({.folder = {.root = index, .path = {}}});
}

bool TreeWatch::misses_root() const {
  return std::ranges::any_of(roots_, [](const Root& root) { return !root.is_there; });
}

bool TreeWatch::Retry() {
  bool has_come = false;
  for (std::size_t i = 0; i < roots_.size(); ++i) {
    if (roots_[i].is_there) continue;
    Begin(i);
    has_come |= roots_[i].is_there;
  }
  return has_come;
}

bool TreeWatch::Walk(std::size_t count) {
  for (; count > 0 && !tasks_.empty(); --count) {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    Add(task);
  }
  return !tasks_.empty();
}

void TreeWatch::Add(const Task& task) {
  const std::string path = PathOf(task.folder);
  if (folders_.size() >= kMaxWatchedFolders) {
    trouble_ = "more than " + std::to_string(kMaxWatchedFolders) +
               " folders; name more in watch_ignore. Changes elsewhere are not seen";
    tasks_.clear();
    return;
  }
  const int added = Try([&] { return ::inotify_add_watch(inotify_.get(), path.c_str(), kEvents); });
  if (added < 0) {
    if (errno == ENOSPC || errno == ENOMEM) {
      trouble_ = LimitText(ENOSPC, folders_.size());
      tasks_.clear();
    } else if (task.folder.path.empty()) {
      roots_[task.folder.root].is_there = false;
    } else if (errno == EACCES) {
      trouble_ = path + ": " + ErrnoText(errno) + "; changes there are not seen";
    }
    return;  // else it is gone already
  }
  const bool is_tree = roots_[task.folder.root].file.empty();
  const auto [known, is_first] = folders_.try_emplace(added, task.folder);
  if (!is_first && is_tree) known->second = task.folder;  // a file in it is a root, too
  if (is_tree) Scan(task);
}

void TreeWatch::Scan(const Task& task) {
  const std::string path = PathOf(task.folder);
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
  if (folder == nullptr) return;
  while (const dirent* entry = ::readdir(folder.get())) {  // NOLINT(concurrency-mt-unsafe): our own
    const std::string_view name(static_cast<const char*>(entry->d_name));
    if (name == "." || name == "..") continue;
    const std::string relative = Joined(task.folder.path, name);
    if (IsFolder(Joined(path, name), entry->d_type)) {
      if (filter_.ignores_folder(relative)) continue;
      tasks_.push_back(
          {.folder = {.root = task.folder.root, .path = relative}, .is_new = task.is_new});
    } else if (task.is_new && filter_.counts_file(relative)) {
      Note(Joined(path, name));
    }
  }
}

void TreeWatch::Note(const std::string& path) {
  if (!change_) change_ = Change{path};
}

// It was moved away or removed: what is watched there is somewhere else, or nowhere.
void TreeWatch::Forget(const Folder& gone) {
  std::erase_if(folders_, [&](const auto& known) {
    const bool is_gone = known.second.root == gone.root && IsBelow(known.second.path, gone.path);
    if (is_gone) (void)::inotify_rm_watch(inotify_.get(), known.first);
    return is_gone;
  });
}

void TreeWatch::Hear(int watch, std::uint32_t what, std::string_view name) {
  if ((what & IN_Q_OVERFLOW) != 0) {  // folders may have come that nobody heard of
    Note("");
    for (std::size_t i = 0; i < roots_.size(); ++i) Begin(i);
    return;
  }
  const auto found = folders_.find(watch);
  if (found == folders_.end()) return;
  const Folder folder = found->second;
  if ((what & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) {
    if ((what & IN_IGNORED) != 0) folders_.erase(found);
    if (!folder.path.empty()) return;
    Forget(folder);
    roots_[folder.root].is_there = false;
    return;
  }
  const Root& root = roots_[folder.root];
  const std::string relative = Joined(folder.path, name);
  const bool is_root = std::ranges::any_of(roots_, [&](const Root& one) {
    return one.file == name && one.path == PathOf(folder) && !name.empty();
  });
  if (is_root) return Note(Joined(PathOf(folder), name));
  if (!root.file.empty()) return;
  if ((what & IN_ISDIR) == 0) {
    if (filter_.counts_file(relative)) Note(Joined(root.path, relative));
    return;
  }
  if (filter_.ignores_folder(relative)) return;
  if ((what & (IN_CREATE | IN_MOVED_TO)) != 0) {
    tasks_.push_back({.folder = {.root = folder.root, .path = relative}, .is_new = true});
  } else if ((what & (IN_MOVED_FROM | IN_DELETE)) != 0) {
    Note(Joined(root.path, relative));
    Forget({.root = folder.root, .path = relative});
  }
}

std::optional<TreeWatch::Change> TreeWatch::Take() {
  alignas(inotify_event) std::array<char, kBuffer> buffer;
  for (;;) {
    const ssize_t length =
        Try([&] { return ::read(inotify_.get(), buffer.data(), buffer.size()); });
    if (length <= 0) break;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(length);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* const name = buffer.data() + at + sizeof event;
      Hear(event.wd, event.mask, {name, ::strnlen(name, event.len)});
      at += sizeof event + event.len;
    }
  }
  return std::exchange(change_, std::nullopt);
}

}  // namespace oxherd::os
