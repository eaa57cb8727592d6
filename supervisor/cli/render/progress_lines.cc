#include "cli/render/progress_lines.h"

#include <algorithm>
#include <array>

namespace oxherd::cli {
namespace {

using control::Progress;
using TellKind = action::Tell::Kind;
using Weight = ProgressLines::Weight;

// A crash loop says the same again and again: only the last few matter.
constexpr std::size_t kMostSettled = 4;

struct Style {
  std::optional<Weight> weight;
  Paint paint = Paint::kPlain;
};

Style StyleOf(const std::optional<TellKind>& kind, bool failed) {
  if (!kind) return {Weight::kSettled};
  switch (*kind) {
    case TellKind::kReady:
    case TellKind::kDone:
    case TellKind::kHealthyAgain:
      return {Weight::kSettled, Paint::kGood};
    case TellKind::kSpawnFailed:
    case TellKind::kNotReady:
    case TellKind::kFailed:
    case TellKind::kUnkillable:
    case TellKind::kHookFailed:
    case TellKind::kRollingBack:
      return {Weight::kSettled, Paint::kBad};
    case TellKind::kUnhealthy:
    case TellKind::kKilling:
    case TellKind::kUndrained:
    case TellKind::kLeftovers:
    case TellKind::kReplacing:
    case TellKind::kStopsFirst:
    case TellKind::kReopened:
    case TellKind::kAddressFound:
    case TellKind::kSignalled:
    case TellKind::kRunSkipped:
      return {Weight::kSettled, Paint::kBusy};
    case TellKind::kExited:
      return failed ? Style{Weight::kSettled, Paint::kBad} : Style{Weight::kPassing};
    case TellKind::kStopped:
    case TellKind::kAdopted:
      return {Weight::kSettled};
    case TellKind::kSpawning:
    case TellKind::kStarted:
    case TellKind::kDraining:
    case TellKind::kStopping:
    case TellKind::kBackoff:
    case TellKind::kHookStarted:
    case TellKind::kWaitingFor:
      return {Weight::kPassing, Paint::kBusy};
    case TellKind::kReloadBegun:  // the command was just typed, and its result follows
    case TellKind::kReloadDone:
    case TellKind::kRolledBack:
      return {};
  }
  return {};
}

}  // namespace

ProgressLines::Line& ProgressLines::LineFor(const Progress& progress) {
  const std::string subject = Clean(progress.Subject());
  const auto found = std::ranges::find(lines_, subject, &Line::subject);
  if (found != lines_.end()) return *found;
  subject_width_ = std::max(subject_width_, WidthOf(subject));
  Line line;
  line.subject = subject;
  return lines_.emplace_back(std::move(line));
}

std::optional<Weight> ProgressLines::Add(const Progress& progress) {
  const Style style = StyleOf(progress.kind, progress.failed);
  if (!style.weight) return std::nullopt;
  Line& line = LineFor(progress);
  if (progress.generation >= line.generation) {
    line.generation = progress.generation;
    line.paint = style.paint;
    line.detail = Clean(progress.detail);
  }
  Part part{progress.generation, Clean(progress.text), progress.failed};
  if (*style.weight == Weight::kPassing) {
    line.passing = std::move(part);
    return style.weight;
  }
  line.passing.reset();
  // That what has crashed is gone goes without saying.
  const bool is_echo = progress.kind == TellKind::kStopped && !line.settled.empty() &&
                       line.settled.back().failed &&
                       line.settled.back().generation == progress.generation;
  if (is_echo) return std::nullopt;
  line.settled.push_back(std::move(part));
  if (line.settled.size() > kMostSettled) line.settled.erase(line.settled.begin());
  return style.weight;
}

std::string ProgressLines::Story(const Line& line, std::size_t width) const {
  std::vector<Part> parts = line.settled;
  if (line.passing) parts.push_back(*line.passing);
  std::string story;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    std::string longer;
    // The line's head names the newest generation; others are named where they speak.
    if (generations_ == Generations::kShown && part->generation != line.generation) {
      longer = "gen " + std::to_string(part->generation.number()) + " ";
    }
    longer += part->text;
    if (!story.empty()) longer += " · ";
    longer += story;
    if (width != 0 && !story.empty() && WidthOf(longer) + 2 > width)
      return Cut("… " + story, width);
    story = std::move(longer);
  }
  return Cut(story, width);
}

std::string ProgressLines::Layout(const Screen& screen, const Line& line) const {
  std::string head = " " + line.subject;
  head.append(subject_width_ - std::min(subject_width_, WidthOf(line.subject)) + 2, ' ');
  if (generations_ == Generations::kShown && line.generation.is_set()) {
    head += "gen " + std::to_string(line.generation.number()) + "  ";
  }
  std::string detail = line.detail.empty() ? "" : "   " + line.detail;
  std::size_t room = 0;
  if (screen.is_terminal) {
    room = std::max<std::size_t>(screen.width - std::min(screen.width, WidthOf(head) + 1), 1);
  }
  const std::string text = Story(line, room);
  if (screen.is_terminal) {
    const std::size_t left = room - std::min(room, WidthOf(text));
    detail = left > 4 ? Cut(detail, left) : "";
  }
  return head + Painted(screen, line.paint, text) + Painted(screen, Paint::kDim, detail);
}

std::string ProgressLines::Render(const Screen& screen, std::size_t index) const {
  return Layout(screen, lines_[index]);
}

std::string ProgressLines::RenderOne(const Screen& screen, const Progress& progress) const {
  Line line;
  line.subject = Clean(progress.Subject());
  line.generation = progress.generation;
  line.settled = {{progress.generation, Clean(progress.text), progress.failed}};
  line.detail = Clean(progress.detail);
  line.paint = StyleOf(progress.kind, progress.failed).paint;
  Screen as_wide_as_it_takes = screen;
  as_wide_as_it_takes.is_terminal = false;
  return Layout(as_wide_as_it_takes, line);
}

}  // namespace oxherd::cli
