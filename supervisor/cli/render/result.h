// The end of a command: what became of each service, in words.
#pragma once

#include <string>

#include "cli/render/terminal.h"
#include "control/message.h"

namespace oxherd::cli {

// Text for standard output and for standard error; each is empty or ends with a newline.
struct Said {
  std::string out;
  std::string err;
};

// What of the request its result is told by.
struct Asked {
  bool no_wait = false;
  control::Until until = control::Until::kReady;
};

// For commands that change something or wait.
[[nodiscard]] Said RenderResult(const Screen& screen, const control::Reply& reply,
                                const Asked& asked = {});

// What `--dry-run` prints, and `apply` first. `prunes`: what has left the file is to be deleted.
[[nodiscard]] std::string RenderPlan(const control::Reply& reply, bool prunes = false);

// "oxherd: …" for an error without services, and what it is made of.
[[nodiscard]] std::string RenderError(const control::Reply& reply);

}  // namespace oxherd::cli
