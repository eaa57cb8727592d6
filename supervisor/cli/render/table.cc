#include "cli/render/table.h"

#include <algorithm>
#include <numeric>

namespace oxherd::cli {
namespace {

constexpr std::size_t kGap = 2;

struct Layout {
  std::vector<std::size_t> shown;   // columns, in order
  std::vector<std::size_t> widths;  // of all columns
};

std::size_t Total(const Layout& layout) {
  std::size_t total = 1;
  for (const std::size_t column : layout.shown) total += layout.widths[column] + kGap;
  return total - kGap;
}

Layout LayOut(const Screen& screen, const std::vector<Column>& columns,
              const std::vector<std::vector<CellText>>& rows) {
  Layout layout;
  layout.shown.resize(columns.size());
  std::iota(layout.shown.begin(), layout.shown.end(), std::size_t{0});
  for (std::size_t column = 0; column < columns.size(); ++column) {
    std::size_t width = WidthOf(columns[column].title);
    for (const auto& row : rows) width = std::max(width, WidthOf(row[column].text));
    layout.widths.push_back(width);
  }
  while (screen.is_terminal && Total(layout) > screen.width) {
    const auto least = std::ranges::min_element(
        layout.shown, {}, [&](std::size_t column) { return columns[column].importance; });
    if (columns[*least].importance >= kAlways) break;
    layout.shown.erase(least);
  }
  return layout;
}

}  // namespace

std::string RenderTable(const Screen& screen, const std::vector<Column>& columns,
                        const std::vector<std::vector<CellText>>& rows) {
  if (columns.empty()) return "";
  const Layout layout = LayOut(screen, columns, rows);
  std::string out;
  const auto add_line = [&](auto cell_of) {
    out += ' ';
    for (const std::size_t column : layout.shown) {
      const CellText cell = cell_of(column);
      out += Painted(screen, cell.paint, cell.text);
      if (column == layout.shown.back()) break;
      out.append(layout.widths[column] - WidthOf(cell.text) + kGap, ' ');
    }
    while (out.ends_with(' ')) out.pop_back();
    out += '\n';
  };
  add_line([&](std::size_t column) {
    return CellText{std::string(columns[column].title), Paint::kDim};
  });
  for (const auto& row : rows) {
    add_line([&](std::size_t column) { return row[column]; });
  }
  return out;
}

}  // namespace oxherd::cli
