// What a program says of itself, read from bytes that may be anything: sd_notify(3)'s datagrams,
// and the lines of Node's IPC channel. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"

namespace oxherd {

struct Notice {
  event::Notified::Kind kind{};
  std::string status{};  // of kStatus: at most kMaxStatus bytes, of any values

  friend bool operator==(const Notice&, const Notice&) = default;
};
constexpr std::size_t kMaxStatus = 1024;

// One datagram: lines "NAME=value". What means nothing to us is left out. Source: sd_notify(3).
[[nodiscard]] std::vector<Notice> ParseNotice(std::string_view datagram);

// Takes the whole lines off the front of what the channel has brought so far, and forgets a line
// that has become longer than kMaxChannelLine without an end. True if one of them was the text
// "ready", as process.send('ready') writes it.
constexpr std::size_t kMaxChannelLine = std::size_t{64} * 1024;
[[nodiscard]] bool TakeChannelLines(std::string& begun);

}  // namespace oxherd
