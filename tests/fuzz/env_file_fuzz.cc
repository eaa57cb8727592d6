// Fuzzes the env file reader, and what becomes of its values in an environment.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "config/env_file.h"
#include "config/environment.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const oxherd::EnvFile file = oxherd::ParseEnvFile(text);
  for (const oxherd::EnvFileProblem& problem : file.problems) {
    OXHERD_CHECK(problem.position.line > 0 && problem.position.column > 0, "no place");
    OXHERD_CHECK(!problem.message.empty(), "no message");
  }
  oxherd::Spec spec;
  for (const oxherd::EnvFileEntry& entry : file.entries) {
    OXHERD_CHECK(oxherd::IsEnvironmentName(entry.name), "not the name of a variable");
    OXHERD_CHECK(entry.value.find('\0') == std::string::npos, "a NUL byte in a value");
    spec.env.emplace_back(entry.name, entry.value);
  }
  const auto environment = oxherd::BuildEnvironment(spec, {}, {});
  if (!environment) {
    OXHERD_CHECK(environment.error().message.find("is not set") != std::string::npos,
                 "an accepted value that cannot be filled in");
  }
  return 0;
}
