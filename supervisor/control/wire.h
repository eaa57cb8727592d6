// One line of JSON <-> one message: the only place that knows what the wire looks like.
//
// Decoding is total: whatever the bytes, the answer is a message or an Error whose text can be sent
// back; never a throw, and never deep recursion. Fields that are not known are ignored. Text that
// is no UTF-8 is encoded with U+FFFD in its place.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "control/message.h"

namespace oxherd::control {

// Brackets inside brackets that a line may have.
constexpr int kMaxNesting = 16;

// Lines end with a newline.
[[nodiscard]] std::string EncodeLine(const FromClient& message);
[[nodiscard]] std::string EncodeLine(const FromDaemon& message);

// What `--json` prints, one line; `verb` is the command as it was typed.
[[nodiscard]] std::string EncodeForPeople(const Reply& reply, std::string_view verb);

// `line` may have its newline or not.
[[nodiscard]] Result<FromClient> DecodeFromClient(std::string_view line);
[[nodiscard]] Result<FromDaemon> DecodeFromDaemon(std::string_view line);

// 16 lower-case hexadecimal digits; nothing for another text, and for zero.
[[nodiscard]] std::string IdText(RequestId id);
[[nodiscard]] std::optional<RequestId> IdFromText(std::string_view text);

}  // namespace oxherd::control
