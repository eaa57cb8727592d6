// What a terminal sends for keys, as keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace oxherd::cli {

struct Key {
  enum class Kind : std::uint8_t {
    kCharacter,  // `text`: one character, UTF-8
    kPasted,     // `text`: whatever was in the clipboard
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kEnter,
    kEscape,
    kBackspace,
    kInterrupt,  // Ctrl-C
    kSuspend,    // Ctrl-Z
    kRedraw,     // Ctrl-L
    kOther,      // known to terminals, not to us
  };
  Kind kind = Kind::kOther;
  std::string text = {};
  friend bool operator==(const Key&, const Key&) = default;
};

// Whether an escape sequence that is not whole may still be continued, or was the Escape key.
enum class Rest : std::uint8_t { kMayCome, kIsAll };

// Takes the keys off the front of `bytes`; what may be the beginning of one stays there. Total:
// whatever the bytes. Sources: console_codes(4), xterm's "Control Sequences".
[[nodiscard]] std::vector<Key> TakeKeys(std::string& bytes, Rest rest);

}  // namespace oxherd::cli
