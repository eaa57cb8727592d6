// Shows a command while it is carried out: live lines on a terminal, plain ones in a pipe.
#pragma once

#include <string>
#include <vector>

#include "cli/render/progress_lines.h"
#include "cli/render/terminal.h"
#include "control/message.h"

namespace oxherd::cli {

class ProgressView {
 public:
  // `oxfile_note` is printed if the Oxfile at `oxfile` was the one that was read.
  ProgressView(int descriptor, control::Command command, std::string oxfile,
               std::string oxfile_note);

  // Oxfiles in this folder nobody has written: they are not named.
  void LeaveOut(std::string folder) { left_out_ = std::move(folder); }

  void On(const control::FromDaemon& message);

 private:
  void OnAccepted(const control::Accepted& accepted);
  void OnProgress(const control::Progress& progress);
  void Draw();

  int descriptor_;
  Screen screen_;
  std::string oxfile_;
  std::string oxfile_note_;
  std::string left_out_;
  ProgressLines lines_;
  bool live_;
  std::size_t drawn_ = 0;  // lines on the screen that are drawn again
};

}  // namespace oxherd::cli
