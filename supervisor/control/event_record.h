// One line of the journal of events: what the daemon writes and `oxherd events` reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace oxherd::control {

// Below the state folder; the one before it, when it was full.
constexpr const char* kEventFile = "events.jsonl";
constexpr const char* kOlderEventFile = "events.1.jsonl";

struct EventRecord {
  std::uint64_t number = 0;  // counts without a gap over restarts of the daemon; from 1
  std::int64_t unix_ms = 0;
  std::string kind;     // KindName() of message.h, or "daemon_started"
  std::string service;  // empty: of the daemon
  std::optional<SlotIndex> slot;
  Generation generation;
  std::string text;     // "exited 1 after 84 ms"
  bool failed = false;  // an exit that nobody asked for, or what it led to
  bool out_of_memory = false;

  [[nodiscard]] std::string Subject() const;  // "api/0", "api", "daemon"
  friend bool operator==(const EventRecord&, const EventRecord&) = default;
};

// One line of JSON with its newline, and back; nothing if it is none.
[[nodiscard]] std::string EncodeEvent(const EventRecord& event);
[[nodiscard]] std::optional<EventRecord> DecodeEvent(std::string_view line);

}  // namespace oxherd::control
