// Lengths, times and sizes in words: one wording for logs, progress and tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace oxherd::control {

// For people: "84 ms", "3.1 s", "2m 14s", "4h 02m", "3d 04h". Negative counts as 0.
[[nodiscard]] std::string DurationText(std::int64_t ms);

// The same for a length that somebody has chosen: "10 s", not "10.0 s"; "5 min", not "5m 00s".
[[nodiscard]] std::string LimitText(std::int64_t ms);

// For log lines: "84ms", "3.2s", "4s", "2m14s", "4h02m".
[[nodiscard]] std::string ShortDuration(std::int64_t ms);

// "812 B", "62 MB", "1.4 GB"; powers of 1024.
[[nodiscard]] std::string BytesText(std::uint64_t bytes);

// "2026-11-22T05:03:37.120Z" (RFC 3339), and back; years 1970 to 9999.
[[nodiscard]] std::string TimeText(std::int64_t unix_ms);
[[nodiscard]] std::optional<std::int64_t> TimeFromText(std::string_view text);

}  // namespace oxherd::control
