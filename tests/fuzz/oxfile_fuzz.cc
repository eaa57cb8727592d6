// Fuzzes the Oxfile reader: whatever the text, specs or errors with a place, and nothing else.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "config/command.h"
#include "config/environment.h"
#include "config/oxfile.h"

namespace {

const oxherd::FileAccess& Files() {
  static const oxherd::FileAccess files{[](const std::string& path) -> oxherd::Result<std::string> {
                                          if (path.ends_with(".env"))
                                            return std::string("A=1\nB=${A}\n");
                                          return oxherd::ErrnoError("open", ENOENT);
                                        },
                                        [](const std::string&) { return true; }};
  return files;
}

// What the daemon does with a spec before it starts an instance.
void Use(const oxherd::Spec& spec) {
  const auto environment =
      oxherd::BuildEnvironment(spec, {1, oxherd::Generation(1), oxherd::Token(1)}, {});
  if (!environment) return;
  const auto argv = oxherd::ExpandCommand(spec.command, *environment, 1);
  OXHERD_CHECK(!argv || !argv->empty(), "a valid command has no arguments");
  static_cast<void>(oxherd::CommandText(spec.command));
  static_cast<void>(oxherd::Expand(spec.health_check.target, *environment, 1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const auto outcome =
      oxherd::ParseOxfile(text, "/srv/app/Oxfile.toml", {.home_dir = "/home/ann"}, Files());
  if (outcome) {
    OXHERD_CHECK(!outcome->specs.empty(), "a valid Oxfile without services");
    for (const oxherd::Spec& spec : outcome->specs) {
      OXHERD_CHECK(!spec.command.empty(), "a valid service without a command");
      Use(spec);
    }
    return 0;
  }
  OXHERD_CHECK(!outcome.error().empty(), "refused without an error");
  for (const oxherd::ConfigError& error : outcome.error()) {
    OXHERD_CHECK(!error.message.empty(), "an error that says nothing");
    OXHERD_CHECK(error.line > 0 || error.message.ends_with("not shown"),
                 "an error without a place");
    OXHERD_CHECK(error.Line().find('\n') == std::string::npos, "an error of several lines");
  }
  static_cast<void>(oxherd::Render(outcome.error()));
  return 0;
}
