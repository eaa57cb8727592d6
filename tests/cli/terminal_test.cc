#include "cli/render/terminal.h"

#include <doctest/doctest.h>

#include "cli/render/table.h"

namespace oxherd::cli {
namespace {

constexpr Screen kColour{.is_terminal = true, .colour = true, .width = 80, .height = 24};
constexpr Screen kNarrow{.is_terminal = true, .colour = false, .width = 20, .height = 24};
constexpr Screen kPipe{};

TEST_CASE("nothing that a child prints drives the terminal") {
  CHECK(Clean("plain text") == "plain text");
  CHECK(Clean("\x1b[31mred\x1b[0m") == "red");
  CHECK(Clean("\x1b]0;title\x07") == "\\x1b]0;title\\x07");
  CHECK(Clean("a\rb\bc\x7f") == "a\\x0db\\x08c\\x7f");
  CHECK(Clean("two\nlines") == "two\\x0alines");
  CHECK(Clean("\tx") == "    x");
  CHECK(Clean("\x1b[") == "\\x1b[");
  CHECK(Clean("\xc2\x9b"
              "31m") == "\\x9b31m");
}

TEST_CASE("text that reads in another direction than it stands is taken apart") {
  CHECK(Clean("a\xe2\x80\xae"
              "b") ==
        "a\xef\xbf\xbd"
        "b");
}

TEST_CASE("what is no UTF-8 is shown as such, and the rest is kept") {
  CHECK(Clean("caf\xc3\xa9") == "caf\xc3\xa9");
  CHECK(Clean("\xff"
              "a\xc3") ==
        "\xef\xbf\xbd"
        "a\xef\xbf\xbd");
  CHECK(Clean("\xed\xa0\x80") == "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  CHECK(Clean("\xc0\x80") == "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_CASE("width counts columns, not bytes") {
  CHECK(WidthOf("abc") == 3);
  CHECK(WidthOf("café") == 4);
  CHECK(WidthOf("日本") == 4);
  CHECK(WidthOf("e\xcc\x81") == 1);
  CHECK(WidthOf("●") == 1);
}

TEST_CASE("what is cut ends with an ellipsis and fits") {
  CHECK(Cut("abcdef", 0) == "abcdef");
  CHECK(Cut("abcdef", 6) == "abcdef");
  CHECK(Cut("abcdef", 4) == "abc…");
  CHECK(Cut("日本語", 4) == "日…");
}

TEST_CASE("colours are only where they are wanted") {
  CHECK(Painted(kColour, Paint::kGood, "ready") == "\x1b[32mready\x1b[0m");
  CHECK(Painted(kPipe, Paint::kGood, "ready") == "ready");
  CHECK(Painted(kColour, Paint::kGood, "") == "");
}

TEST_CASE("a table on a narrow screen loses its least important columns") {
  const std::vector<Column> columns = {
      {"name", kAlways}, {"state", kAlways}, {"cpu", 1}, {"pid", 2}};
  const std::vector<std::vector<CellText>> rows = {{{"api/0"}, {"ready"}, {"1%"}, {"12345"}}};
  CHECK(RenderTable(kPipe, columns, rows) ==
        " name   state  cpu  pid\n"
        " api/0  ready  1%   12345\n");
  CHECK(RenderTable(kNarrow, columns, rows) ==
        " name   state  pid\n"
        " api/0  ready  12345\n");
}

}  // namespace
}  // namespace oxherd::cli
