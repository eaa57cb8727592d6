// What a service's processes start with, for people who ask: `env`, `exec`.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"
#include "config/environment.h"
#include "control/message.h"
#include "core/spec.h"

namespace oxherd {

enum class Secrets : std::uint8_t { kHidden, kShown };

// True for what is better not shown on a screen: by the variable's name (…KEY, …TOKEN, PASSWORD,
// SECRET, …), or by its value (a URL with a password, a long random text). A guess, which errs on
// the side of hiding.
[[nodiscard]] bool LooksSecret(std::string_view name, std::string_view value);

// The environment of that process, without what only its own sockets need. Fails as
// BuildEnvironment() does.
[[nodiscard]] Result<control::ServiceEnvironment> EnvironmentFor(const Spec& spec,
                                                                 const SpawnIdentity& identity,
                                                                 std::span<const EnvEntry> base,
                                                                 Secrets secrets);

}  // namespace oxherd
