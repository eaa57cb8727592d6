// The state as bytes: flat, length-prefixed, versioned; fields that are not known are skipped.
//
// One record per service and one for the rest, so that the image can write only what changed.
// Numbers are little-endian. decode(encode(x)) == x.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/error.h"
#include "core/state.h"

namespace oxherd {

// Raised when an old reader would misunderstand; a reader refuses what is newer than it.
constexpr std::uint32_t kStateVersion = 1;

using ByteView = std::span<const std::byte>;

// Each replaces the contents of `out`, and uses its memory again.
void EncodeService(const Service& service, std::string& out);
// All of the state but its services: tokens, settings, requests, shutdown, the services' order.
void EncodeCommon(const State& state, std::string& out);

// Bytes that are cut off, too long or nonsense are an Error, never anything worse.
[[nodiscard]] Result<Service> DecodeService(ByteView bytes);
// A state with no services yet.
[[nodiscard]] Result<State> DecodeCommon(ByteView bytes);

// The whole state as one string, for tests and hashes.
[[nodiscard]] std::string Encode(const State& state);
void Encode(const State& state, std::string& out);
[[nodiscard]] Result<State> Decode(ByteView bytes);

}  // namespace oxherd
