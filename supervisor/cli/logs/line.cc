#include "cli/logs/line.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

namespace oxherd::cli {
namespace {

constexpr std::size_t kTimeWidth = 12;  // "03:12:44.120"

struct Broken {
  std::tm time{};
  long millis = 0;
};

Broken Break(WallTime wall, bool utc) {
  Broken broken;
  const auto millis = std::chrono::floor<Millis>(wall.time_since_epoch()).count();
  const std::time_t seconds =
      static_cast<std::time_t>((millis - (millis % 1000 + 1000) % 1000) / 1000);
  broken.millis = static_cast<long>(millis - static_cast<std::int64_t>(seconds) * 1000);
  (utc ? gmtime_r : localtime_r)(&seconds, &broken.time);
  return broken;
}

std::string TimeText(const LineStyle& style, const os::LogLine& line) {
  if (!line.burst) return std::string(kTimeWidth, ' ');
  const Broken then = Break(line.burst->wall, style.utc);
  const Broken today = Break(style.now, style.utc);
  std::string text;
  if (then.time.tm_yday != today.time.tm_yday || then.time.tm_year != today.time.tm_year) {
    text = fmt::format("{:04}-{:02}-{:02} ", then.time.tm_year + 1900, then.time.tm_mon + 1,
                       then.time.tm_mday);
  }
  return text + fmt::format("{:02}:{:02}:{:02}.{:03}", then.time.tm_hour, then.time.tm_min,
                            then.time.tm_sec, then.millis);
}

std::string JsonLine(const LogSource& source, const os::LogLine& line) {
  std::string text = "{\"v\":1";
  if (line.burst) {
    const Broken then = Break(line.burst->wall, true);
    text += fmt::format(",\"time\":\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"",
                        then.time.tm_year + 1900, then.time.tm_mon + 1, then.time.tm_mday,
                        then.time.tm_hour, then.time.tm_min, then.time.tm_sec, then.millis);
  }
  text += ",\"name\":" + JsonQuoted(source.name);
  if (line.burst) text += fmt::format(",\"generation\":{}", line.burst->generation.number());
  const os::LogStream stream = line.burst ? line.burst->stream : source.stream;
  text += stream == os::LogStream::kErr ? ",\"stream\":\"err\"" : ",\"stream\":\"out\"";
  text += ",\"text\":" + JsonQuoted(line.text);
  if (line.ended_by == os::LogLine::End::kCut) text += ",\"cut\":true";
  return text + "}\n";
}

std::string TextLine(const LineStyle& style, const LogSource& source, const os::LogLine& line) {
  std::string text = Painted(style.screen, Paint::kDim, TimeText(style, line)) + " ";
  text += source.name;
  text.append(style.name_width - std::min(style.name_width, source.name.size()), ' ');
  const bool is_err = (line.burst ? line.burst->stream : source.stream) == os::LogStream::kErr;
  text += " " + Painted(style.screen, is_err ? Paint::kBad : Paint::kDim, "│") + " ";
  std::string_view shown = line.text;
  if (shown.ends_with('\r')) shown.remove_suffix(1);
  return text + Clean(shown) + "\n";
}

// The length of the UTF-8 character at the front of `text`; 0: there is none.
std::size_t CharacterLength(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond U+10FFFF.
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) ||
      (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) {
    return 0;
  }
  return length;
}

}  // namespace

std::string JsonQuoted(std::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = CharacterLength(text);
    if (length == 0) {
      quoted += "\\ufffd";
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      quoted += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return quoted + "\"";
}

std::string RenderLine(const LineStyle& style, const LogSource& source, const os::LogLine& line) {
  switch (style.form) {
    case LineStyle::Form::kJson:
      return JsonLine(source, line);
    case LineStyle::Form::kRaw:
      return line.ended_by == os::LogLine::End::kNewline ? line.text + "\n" : line.text;
    case LineStyle::Form::kText:
      break;
  }
  return TextLine(style, source, line);
}

}  // namespace oxherd::cli
