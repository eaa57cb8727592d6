// state.json as text: what is wanted, so that it can be had again after a reboot.
//
// Services with their specs, source files, generations and wishes. The first line carries a
// checksum of the rest. Fields that are not known are ignored, those that are missing keep their
// defaults; a file whose version is newer is refused. Pure; state_store.h does the reading and
// writing.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "core/event.h"
#include "core/state.h"

namespace oxherd {

// Raised when an old reader would misunderstand.
constexpr int kStateFileVersion = 1;

// What is wanted now; services that are being deleted are left out.
[[nodiscard]] event::Boot WishesOf(const State& state);

[[nodiscard]] std::string EncodeStateFile(const event::Boot& wishes);

// The line that stands in front of `rest`, which is all that follows it.
[[nodiscard]] std::string StateFileFirstLine(std::string_view rest);

// Bytes that were cut off, changed or never ours are an Error that says which.
[[nodiscard]] Result<event::Boot> DecodeStateFile(std::string_view text);

}  // namespace oxherd
