#include "cli/logs/view.h"

#include <algorithm>
#include <utility>

#include "os/folder_watch.h"

namespace oxherd::cli {
namespace {

constexpr std::size_t kPrintAtOnce = std::size_t{32} * 1024;

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

LogView::LogView(std::vector<LogSource> sources, LogFilter filter, LineStyle style, Print print)
    : sources_(std::move(sources)),
      filter_(std::move(filter)),
      style_(style),
      print_(std::move(print)) {
  for (LogSource& source : sources_) {
    source.files.Open();
    style_.name_width = std::max(style_.name_width, source.name.size());
  }
}

// Sets where the last `lines` lines of one instance begin, in each of its logs.
void LogView::FindLast(std::size_t first, std::size_t last, std::uint32_t lines,
                       std::vector<LogPosition>& begins) {
  std::vector<BackwardLines> ways;
  ways.reserve(last - first);
  for (std::size_t i = first; i < last; ++i) {
    const bool searches = filter_.pattern || filter_.least || sources_[i].owner.is_shared;
    const bool bounded = searches && !filter_.since;
    ways.emplace_back(sources_[i], filter_, bounded ? kMaxLogSearch : ~std::uint64_t{0});
  }
  for (std::uint32_t found = 0; found < lines; ++found) {
    BackwardLines* newest = nullptr;
    for (BackwardLines& way : ways) {
      if (way.Head() == nullptr) continue;
      if (newest == nullptr || IsEarlier(*newest->Head(), *way.Head())) newest = &way;
    }
    if (newest == nullptr) break;
    begins[first + static_cast<std::size_t>(newest - ways.data())] = newest->HeadPosition();
    newest->Pop();
  }
  if (std::ranges::any_of(ways, &BackwardLines::ran_out_of_budget)) {
    notes_.push_back(sources_[first].name +
                     ": only the last 64 MB were searched; --since goes further back");
  }
}

std::vector<LogPosition> LogView::Begins(std::optional<std::uint32_t> lines) {
  std::vector<LogPosition> begins;
  begins.reserve(sources_.size());
  for (LogSource& source : sources_) {
    begins.push_back(lines || !filter_.since ? source.files.End()
                                             : PositionOf(source.files, *filter_.since));
  }
  if (!lines) return begins;
  for (std::size_t first = 0; first < sources_.size();) {
    std::size_t last = first + 1;
    while (last < sources_.size() && sources_[last].name == sources_[first].name) ++last;
    FindLast(first, last, *lines, begins);
    first = last;
  }
  return begins;
}

bool LogView::ShowLast(std::optional<std::uint32_t> lines, Then then) {
  const std::vector<LogPosition> begins = Begins(lines);
  const bool ends = then == Then::kEnd;
  lines_.clear();
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const auto end = ends ? std::optional(sources_[i].files.End()) : std::nullopt;
    lines_.emplace_back(sources_[i], filter_, begins[i], end,
                        ends ? ForwardLines::OpenLine::kShown : ForwardLines::OpenLine::kHeldBack);
  }
  return PrintAll();
}

bool LogView::PrintAll(std::uint64_t most) {
  std::string text;
  for (const std::uint64_t before = shown_;;) {
    if (shown_ - before > most) return print_(text) && false;
    ForwardLines* next = nullptr;
    for (ForwardLines& lines : lines_) {
      if (lines.Head() == nullptr) continue;
      if (next == nullptr || IsEarlier(*lines.Head(), *next->Head())) next = &lines;
    }
    if (next == nullptr) return text.empty() || print_(text);
    text += RenderLine(style_, next->source(), *next->Head());
    next->Pop();
    ++shown_;
    if (text.size() < kPrintAtOnce) continue;
    if (!print_(text)) return false;
    text.clear();
  }
}

// The folders of all logs, and where such a folder may yet be made.
std::vector<std::string> LogView::Folders() const {
  std::vector<std::string> folders;
  for (const LogSource& source : sources_) {
    std::string folder = FolderOf(source.files.path());
    folders.push_back(FolderOf(folder));
    folders.push_back(std::move(folder));
  }
  std::ranges::sort(folders);
  const auto rest = std::ranges::unique(folders);
  folders.erase(rest.begin(), rest.end());
  return folders;
}

bool LogView::ShowNew(std::uint64_t most) {
  const std::uint64_t before = shown_;
  for (bool changed = true; changed;) {
    if (!PrintAll(most) || shown_ - before > most) return false;
    changed = false;
    for (ForwardLines& lines : lines_) changed = lines.Refresh() || changed;
  }
  return true;
}

Result<os::FolderWatch> LogView::Watch() const { return os::FolderWatch::Open(Folders()); }

Status LogView::Follow(int reader_gone) {
  const std::vector<std::string> folders = Folders();
  OXHERD_TRY_ASSIGN(auto watch, os::FolderWatch::Open(folders));
  std::size_t there = static_cast<std::size_t>(
      std::ranges::count_if(folders, [](const auto& f) { return os::FactsOf(f).has_value(); }));
  for (;;) {
    // Until nothing is new: a rotation may come with the last line of the old file.
    for (bool changed = true; changed;) {
      if (!PrintAll()) return {};
      changed = false;
      for (ForwardLines& lines : lines_) changed = lines.Refresh() || changed;
    }
    if (watch.Wait(reader_gone, kNever) == os::FolderWatch::Woken::kOther) return {};
    if (there == folders.size()) continue;
    const auto now = static_cast<std::size_t>(
        std::ranges::count_if(folders, [](const auto& f) { return os::FactsOf(f).has_value(); }));
    if (now == there) continue;
    there = now;
    OXHERD_TRY_ASSIGN(watch, os::FolderWatch::Open(folders));
  }
}

}  // namespace oxherd::cli
