#include "cli/render/progress_view.h"

#include <algorithm>

namespace oxherd::cli {
namespace {

using control::Accepted;
using control::Command;
using control::Progress;

ProgressLines::Generations GenerationsFor(Command command) {
  return command == Command::kReload || command == Command::kApply || command == Command::kRollback
             ? ProgressLines::Generations::kShown
             : ProgressLines::Generations::kHidden;
}

}  // namespace

ProgressView::ProgressView(int descriptor, Command command, std::string oxfile,
                           std::string oxfile_note)
    : descriptor_(descriptor),
      screen_(ScreenOf(descriptor)),
      oxfile_(std::move(oxfile)),
      oxfile_note_(std::move(oxfile_note)),
      lines_(GenerationsFor(command)),
      live_(screen_.is_terminal) {}

void ProgressView::On(const control::FromDaemon& message) {
  if (const auto* accepted = std::get_if<Accepted>(&message)) OnAccepted(*accepted);
  if (const auto* progress = std::get_if<Progress>(&message)) OnProgress(*progress);
}

void ProgressView::OnAccepted(const Accepted& accepted) {
  std::string text;
  for (const std::string& path : accepted.oxfiles) {
    if (!left_out_.empty() && path.starts_with(left_out_ + "/")) continue;
    text += Painted(screen_, Paint::kDim, "Oxfile: " + Clean(path)) + "\n";
    if (path == oxfile_ && !oxfile_note_.empty()) text += Clean(oxfile_note_) + "\n";
  }
  for (const std::string& note : accepted.notes) text += " " + Clean(note) + "\n";
  Write(descriptor_, text);
}

void ProgressView::OnProgress(const Progress& progress) {
  const auto weight = lines_.Add(progress);
  if (!weight) return;
  // More lines than the screen has cannot be drawn again: from here on they are only appended.
  if (live_ && lines_.size() + 1 >= screen_.height) live_ = false;
  if (live_) {
    Draw();
  } else if (*weight == ProgressLines::Weight::kSettled) {
    Write(descriptor_, lines_.RenderOne(screen_, progress) + "\n");
  }
}

void ProgressView::Draw() {
  std::string text;
  if (drawn_ > 0) text = "\x1b[" + std::to_string(drawn_) + "A";
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    text += "\r" + lines_.Render(screen_, i) + "\x1b[K\n";
  }
  drawn_ = lines_.size();
  Write(descriptor_, text);
}

}  // namespace oxherd::cli
