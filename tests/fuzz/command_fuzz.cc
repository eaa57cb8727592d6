// Fuzzes the splitting of commands: a command that needs no shell is filled in without loss.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "config/command.h"
#include "config/date_format.h"
#include "config/endpoint.h"
#include "config/environment.h"
#include "config/quantity.h"
#include "config/ready_pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  if (const auto command = oxherd::ParseCommand(text)) {
    OXHERD_CHECK(!command->argv.empty(), "a command without a program");
    const auto argv = oxherd::ExpandCommand(*command, {}, 3);
    OXHERD_CHECK(argv.has_value(), "a command of ours that cannot be filled in");
    OXHERD_CHECK(argv->size() == command->argv.size(), "an argument lost");
    static_cast<void>(oxherd::CommandText(*command));
  }
  static_cast<void>(oxherd::ParseHttpEndpoint(text));
  static_cast<void>(oxherd::ParseTcpEndpoint(text));
  static_cast<void>(oxherd::ParseDateFormat(text));
  static_cast<void>(oxherd::GuessDuration(text));
  if (const auto duration = oxherd::ParseDuration(text)) {
    OXHERD_CHECK(oxherd::ParseDuration(oxherd::FormatDuration(*duration)) == duration,
                 "a duration that does not read back");
  }
  if (const auto pattern = oxherd::ReadyPattern::Compile(text)) {
    static_cast<void>(pattern->Matches(text));
  }
  return 0;
}
