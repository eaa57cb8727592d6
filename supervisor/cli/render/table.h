// A table of text: columns as wide as what is in them, the least important ones dropped where the
// screen is too narrow.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/render/terminal.h"

namespace oxherd::cli {

struct Column {
  std::string_view title;
  int importance = 0;  // the lowest goes first; the highest stay whatever happens
};

struct CellText {
  std::string text;  // clean
  Paint paint = Paint::kPlain;
};

// Importance of a column that is never dropped.
constexpr int kAlways = 100;

// Each row has a cell for each column. Lines start with a space and end with a newline.
[[nodiscard]] std::string RenderTable(const Screen& screen, const std::vector<Column>& columns,
                                      const std::vector<std::vector<CellText>>& rows);

}  // namespace oxherd::cli
