#include "os/tree_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string_view>

#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

constexpr std::uint64_t kKibibyte = 1024;
// Threads of one process whose children are looked for.
constexpr std::size_t kMostThreads = 256;

// Reads a small file of /proc at once; empty if that cannot be, and errno says why.
std::string_view ReadSmall(Pid pid, const char* name, std::span<char> buffer) {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/%s", pid.number(), name);
  const Fd file(Try([&] { return ::open(path.data(), O_RDONLY | O_CLOEXEC); }));
  if (!file) return {};
  const ssize_t size = Try([&] { return ::read(file.get(), buffer.data(), buffer.size()); });
  return size <= 0 ? std::string_view()
                   : std::string_view(buffer.data(), static_cast<std::size_t>(size));
}

// Word number `word` of a text (0 is the first), as a number.
std::uint64_t NumberAt(std::string_view text, int word) {
  for (; word > 0; --word) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) return 0;
    text.remove_prefix(space + 1);
  }
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

struct Figures {
  std::uint64_t ticks = 0;
  std::uint64_t pages = 0;
};

// One process: utime, stime, cutime and cstime (words 14 to 17 of stat, the name may hold
// anything), rss, and how many threads it has; 0: it is gone.
std::uint64_t AddProcess(Pid pid, Figures& figures) {
  std::array<char, 1024> buffer{};
  std::string_view text = ReadSmall(pid, "stat", buffer);
  const std::size_t end_of_name = text.rfind(") ");
  if (end_of_name == std::string_view::npos) return 0;
  text.remove_prefix(end_of_name + 2);  // word 3
  for (int word = 11; word <= 14; ++word) figures.ticks += NumberAt(text, word);
  figures.pages += NumberAt(text, 21);
  return std::max<std::uint64_t>(NumberAt(text, 17), 1);
}

// Those that one thread has made.
std::vector<Pid> ChildrenOf(Pid process, Pid thread) {
  std::vector<Pid> children;
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "task/%d/children", thread.number());
  std::array<char, 4096> buffer{};
  std::string_view text = ReadSmall(process, name.data(), buffer);
  while (!text.empty()) {
    std::int32_t child = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), child);
    if (error != std::errc()) break;
    children.emplace_back(child);
    text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
  }
  return children;
}

}  // namespace

TreeUsage MeasureTree(std::vector<Pid> roots) {
  Figures figures;
  TreeUsage usage;
  std::vector<Pid>& tree = roots;
  for (std::size_t i = 0; i < tree.size() && i < kMostTreeProcesses; ++i) {
    const std::uint64_t threads = AddProcess(tree[i], figures);
    if (threads == 0) continue;
    usage.processes.push_back(tree[i]);
    const std::vector<Pid> children =
        threads == 1 ? ChildrenOf(tree[i], tree[i]) : ChildrenOf(tree[i]);
    tree.insert(tree.end(), children.begin(), children.end());
  }
  const std::int64_t ticks_per_second = ::sysconf(_SC_CLK_TCK);
  usage.cpu = Duration(Seconds(1)) * static_cast<std::int64_t>(figures.ticks) / ticks_per_second;
  usage.resident_bytes = figures.pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return usage;
}

std::vector<Pid> ChildrenOf(Pid parent) {
  std::vector<Pid> children;
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/task", parent.number());
  const std::unique_ptr<DIR, CloseFolder> tasks(::opendir(path.data()));
  if (tasks == nullptr) return children;
  std::size_t threads = 0;
  // The stream is our own.
  while (const dirent* entry = ::readdir(tasks.get())) {  // NOLINT(concurrency-mt-unsafe)
    std::int32_t thread = 0;
    const std::string_view name = entry->d_name;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), thread);
    if (error != std::errc()) continue;
    if (++threads > kMostThreads) break;
    const std::vector<Pid> its = ChildrenOf(parent, Pid(thread));
    children.insert(children.end(), its.begin(), its.end());
  }
  return children;
}

std::optional<std::uint64_t> ProportionalBytes(std::span<const Pid> processes) {
  constexpr std::string_view kPss = "\nPss:";
  std::uint64_t bytes = 0;
  for (const Pid pid : processes) {
    std::array<char, 2048> buffer{};
    errno = 0;
    const std::string_view text = ReadSmall(pid, "smaps_rollup", buffer);
    if (text.empty() && errno != ENOENT && errno != ESRCH) return std::nullopt;
    std::size_t at = text.find(kPss);
    if (at == std::string_view::npos) continue;  // gone, or a zombie
    at = text.find_first_not_of(' ', at + kPss.size());
    std::uint64_t kilobytes = 0;
    std::from_chars(text.data() + std::min(at, text.size()), text.data() + text.size(), kilobytes);
    bytes += kilobytes * kKibibyte;
  }
  return bytes;
}

}  // namespace oxherd::os
