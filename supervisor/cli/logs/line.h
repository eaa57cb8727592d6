// One line of a log as it is shown: for people, as JSON, or as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "cli/logs/cursor.h"
#include "cli/render/terminal.h"

namespace oxherd::cli {

struct LineStyle {
  enum class Form : std::uint8_t {
    kText,  // "03:12:44.120 api/0 │ …": one line that cannot drive a terminal
    kJson,  // one object
    kRaw,   // the bytes
  };
  Form form = Form::kText;
  bool utc = false;
  Screen screen;
  std::size_t name_width = 0;
  WallTime now{};  // lines of another day show theirs
};

// With its newline (but for a raw line that has none).
[[nodiscard]] std::string RenderLine(const LineStyle& style, const LogSource& source,
                                     const os::LogLine& line);

// "…" with quotes, as in JSON (RFC 8259); what is no UTF-8 becomes U+FFFD.
[[nodiscard]] std::string JsonQuoted(std::string_view text);

}  // namespace oxherd::cli
