#include "daemon/usage.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <span>
#include <string_view>
#include <vector>

#include "os/clock.h"
#include "os/fd.h"

namespace oxherd {
namespace {

// Reads a small file of /proc at once; empty if the process is gone.
std::string_view ReadSmall(std::int32_t pid, const char* name, std::span<char> buffer) {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/%s", pid, name);
  const os::Fd file(open(path.data(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  const ssize_t size = read(file.get(), buffer.data(), buffer.size());
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

// One process: utime and stime (words 14 and 15 of stat, the name may hold anything), and rss.
bool AddProcess(std::int32_t pid, Figures& figures) {
  std::array<char, 1024> buffer{};
  std::string_view text = ReadSmall(pid, "stat", buffer);
  const std::size_t end_of_name = text.rfind(") ");
  if (end_of_name == std::string_view::npos) return false;
  text.remove_prefix(end_of_name + 2);  // word 3
  figures.ticks += NumberAt(text, 11) + NumberAt(text, 12);
  figures.pages += NumberAt(text, 21);
  return true;
}

void AddChildren(std::int32_t pid, std::vector<std::int32_t>& tree) {
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "task/%d/children", pid);
  std::array<char, 4096> buffer{};
  std::string_view text = ReadSmall(pid, name.data(), buffer);
  while (!text.empty()) {
    std::int32_t child = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), child);
    if (error != std::errc()) return;
    tree.push_back(child);
    text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
  }
}

Figures FiguresOfTree(Pid root) {
  Figures figures;
  std::vector<std::int32_t> tree = {root.number()};
  for (std::size_t i = 0; i < tree.size() && i < UsageSampler::kMostProcesses; ++i) {
    if (AddProcess(tree[i], figures)) AddChildren(tree[i], tree);
  }
  return figures;
}

}  // namespace

void UsageSampler::Begin(Instant now) {
  until_ = now + kBudget;
  ++question_;
}

Usage UsageSampler::Of(Token token, Pid pid) {
  const auto [place, is_new] = samples_.try_emplace(token);
  Sample& sample = place->second;
  sample.question = question_;
  const Instant now = os::Now();
  const Duration left = until_ - now;
  const Duration good_enough = left < kBudget / 2 ? kStale : kFresh;
  const bool has_figures = !is_new && sample.at != Instant();
  if (left <= Duration::zero() || (has_figures && now - sample.at < good_enough)) {
    return sample.usage;
  }
  const Figures figures = FiguresOfTree(pid);
  if (has_figures && figures.ticks >= sample.ticks) {
    const double seconds = std::chrono::duration<double>(now - sample.at).count();
    const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
    sample.usage.cpu_percent =
        100.0 * static_cast<double>(figures.ticks - sample.ticks) / ticks_per_second / seconds;
  }
  sample.usage.memory_bytes = figures.pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  sample.at = now;
  sample.ticks = figures.ticks;
  return sample.usage;
}

void UsageSampler::End() {
  std::erase_if(samples_, [this](const auto& entry) {
    return question_ - entry.second.question >= kKeptQuestions;
  });
}

}  // namespace oxherd
