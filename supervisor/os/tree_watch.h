// Hears of changes below some folders, the folders that are made there later included.
//
// Folders are taken in a few at a time, so that a large tree does not hold up who asks for it.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "os/fd.h"

namespace oxherd::os {

// Of one TreeWatch: more of them is a mistake in what is ignored.
constexpr std::size_t kMaxWatchedFolders = 20'000;

class TreeWatch {
 public:
  struct Filter {  // of paths relative to the root
    std::function<bool(std::string_view)> ignores_folder;
    std::function<bool(std::string_view)> counts_file;
  };
  // `roots` are absolute: folders, which symbolic links may name, or single files. Nothing is heard
  // of them before Walk(). Source: inotify_init1(2).
  [[nodiscard]] static Result<TreeWatch> Open(const std::vector<std::string>& roots, Filter filter);

  // Readable when there is something to Take().
  [[nodiscard]] int fd() const { return inotify_.get(); }

  // Takes in up to so many folders; true if there are more. Blocks on the disk.
  bool Walk(std::size_t count);

  struct Change {
    std::string path;  // the first one that counts; empty: what changed is not known
  };
  // What has happened since; nothing if none of it counts. Never blocks, but for folders that came:
  // these are for Walk(). Source: inotify(7).
  [[nodiscard]] std::optional<Change> Take();

  // Why not everything is watched, with what to do about it; empty: it is.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  // Some root is not there (any more): Retry() looks for it again, and says if it has come.
  [[nodiscard]] bool misses_root() const;
  [[nodiscard]] bool Retry();

  [[nodiscard]] std::size_t folder_count() const { return folders_.size(); }

 private:
  struct Root {
    std::string path;  // the folder that is watched
    std::string file;  // this one in it alone; empty: the whole tree
    bool is_there = false;
  };
  struct Folder {
    std::size_t root = 0;
    std::string path;  // relative to the root; empty: the root itself
  };
  struct Task {
    Folder folder;
    bool is_new = false;  // it came later: what is in it counts
  };

  TreeWatch(Fd inotify, Filter filter) : inotify_(std::move(inotify)), filter_(std::move(filter)) {}
  [[nodiscard]] std::string PathOf(const Folder& folder) const;
  void Begin(std::size_t root);
  void Add(const Task& task);
  void Scan(const Task& task);
  void Forget(const Folder& gone);
  void Hear(int watch, std::uint32_t what, std::string_view name);
  void Note(const std::string& path);

  Fd inotify_;
  Filter filter_;
  std::vector<Root> roots_;
  std::unordered_map<int, Folder> folders_;  // by watch descriptor
  std::deque<Task> tasks_;
  std::optional<Change> change_;
  std::string trouble_;
};

}  // namespace oxherd::os
