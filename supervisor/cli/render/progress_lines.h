// What happens to each instance while a command is carried out, as one line per instance.
//
// Pure: progress in, lines out. progress_view.h puts them on the screen.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/render/terminal.h"
#include "control/message.h"

namespace oxherd::cli {

class ProgressLines {
 public:
  enum class Generations { kHidden, kShown };  // reload and apply show them
  explicit ProgressLines(Generations generations) : generations_(generations) {}

  // Whether it is worth a line of its own where lines cannot be drawn again.
  enum class Weight { kPassing, kSettled };
  // Nothing: it is not shown at all.
  std::optional<Weight> Add(const control::Progress& progress);

  [[nodiscard]] std::size_t size() const { return lines_.size(); }
  // Line `index` as it stands, at most as wide as the screen, without newline.
  [[nodiscard]] std::string Render(const Screen& screen, std::size_t index) const;
  // The same for a single progress, for output that is only appended to.
  [[nodiscard]] std::string RenderOne(const Screen& screen,
                                      const control::Progress& progress) const;

 private:
  struct Part {
    Generation generation;
    std::string text;
    bool failed = false;
  };
  struct Line {
    std::string subject;
    Generation generation;  // the newest seen
    std::vector<Part> settled;
    std::optional<Part> passing;
    std::string detail;
    Paint paint = Paint::kPlain;
  };
  Line& LineFor(const control::Progress& progress);
  [[nodiscard]] std::string Layout(const Screen& screen, const Line& line) const;
  // What has happened, in at most `width` columns: the newest parts that fit.
  [[nodiscard]] std::string Story(const Line& line, std::size_t width) const;

  Generations generations_;
  std::vector<Line> lines_;
  std::size_t subject_width_ = 8;
};

}  // namespace oxherd::cli
