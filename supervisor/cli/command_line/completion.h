// Completion for shells, made from the table of verbs: what is typed is what there is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/session.h"

namespace oxherd::cli {

// The script for "bash", "zsh" or "fish"; nothing for another shell.
[[nodiscard]] std::optional<std::string> CompletionScript(std::string_view shell);

// `oxherd completion SHELL`.
int PrintCompletion(const Session& session);

}  // namespace oxherd::cli
