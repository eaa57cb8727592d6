// The table of `oxherd list`, and under it what to type for what is not well.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/render/terminal.h"
#include "control/message.h"

namespace oxherd::cli {

// `now_unix_ms`: a time of another day is shown with its date. Times are local.
[[nodiscard]] std::string RenderList(const Screen& screen, const std::vector<control::Row>& rows,
                                     std::int64_t now_unix_ms);

// "● ready", "◐ stopping", "○ failed".
struct StateLabel {
  std::string text;
  Paint paint = Paint::kPlain;
};
[[nodiscard]] StateLabel LabelOf(const control::Row& row);

// "ok · 3 ms", "bad · 503 Service Unavailable", "not asked yet", "–".
[[nodiscard]] std::string HealthText(const control::Row& row);

// One line, without newline, for a row that is not as wanted; empty for one that is well.
[[nodiscard]] std::string AdviceFor(const control::Row& row, const std::string& name,
                                    std::int64_t now_unix_ms);

// "03:02", "Nov 21 03:02" on another day; local.
[[nodiscard]] std::string ClockText(std::int64_t unix_ms, std::int64_t now_unix_ms);

}  // namespace oxherd::cli
