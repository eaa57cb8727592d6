// Every key of an Oxfile in one table: what it is called, takes and means, and what reads it.
// Parsing, hints for unknown keys and the reference page all come from here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/reading.h"

namespace oxherd {

enum class Section : std::uint8_t {
  kTop,
  kProcess,      // [processes.NAME] and [defaults]
  kHealthCheck,  // [processes.NAME.health_check]
  kLimits,       // [processes.NAME.limits]
  kLogs,         // [processes.NAME.logs], and part of [logging]
  kLogging,      // [logging] alone
  kWebhook,      // [processes.NAME.webhook]
  kSupervisor,   // [supervisor]
  kApp,          // [[apps]], and its [defaults]; the keys of kProcess count too
  kAppLogs,      // logs in it; the keys of kLogs count too
};

struct Key {
  std::string_view name;
  std::string_view type;          // "duration", "string or array"
  std::string_view fallback;      // the default, as written in a file; empty: none
  std::string_view meaning;       // one line
  Reader read = nullptr;          // null: known, but not supported yet
  std::string_view same_as = {};  // the key that this is another word for
};

// In the order in which a page would show them.
[[nodiscard]] std::span<const Key> KeysOf(Section section);

// Null if the section has no such key, and none of another section counts in it.
[[nodiscard]] const Key* FindKey(Section section, std::string_view name);

// `unknown key; did you mean "stop_timeout_ms"?`: what to say of a name that is no key of
// `section`. `table` is how the file calls the section's table: "processes.api".
[[nodiscard]] std::string ExplainUnknownKey(Section section, std::string_view name,
                                            std::string_view table);

// Reads every entry of `table` by its key's reader into `place`.
void ReadSection(Section section, const Table& table, const Place& place);

}  // namespace oxherd
