// What the output goes to, and text that is safe and in place there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace oxherd::cli {

struct Screen {
  bool is_terminal = false;  // lines may be drawn again, and are cut to the width
  bool colour = false;
  std::size_t width = 0;  // columns; 0: as wide as it takes
  std::size_t height = 0;
};

// Of descriptor 1 or 2. NO_COLOR, TERM=dumb and COLUMNS are obeyed.
[[nodiscard]] Screen ScreenOf(int descriptor);

enum class Paint { kPlain, kGood, kBusy, kBad, kDim, kBold };
[[nodiscard]] std::string Painted(const Screen& screen, Paint paint, std::string_view text);

// Text of others (output of children, names, paths) on one line: what could drive the terminal is
// taken out or shown as \x1b; colours of children are dropped; a tab is four spaces; what is no
// UTF-8 is U+FFFD.
[[nodiscard]] std::string Clean(std::string_view text);

// Columns that the text takes; it is clean and has no colours.
[[nodiscard]] std::size_t WidthOf(std::string_view text);

// The text, or its beginning and "…", in at most `width` columns. 0: no limit.
[[nodiscard]] std::string Cut(std::string_view text, std::size_t width);

// Writes all of it, waiting as long as it takes; what cannot be written (EPIPE, a full disk) is
// lost. True if all was written.
bool Write(int descriptor, std::string_view text);

}  // namespace oxherd::cli
