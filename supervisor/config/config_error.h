// What is wrong in a file that a person wrote, and where: printed as ninja and compilers do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace oxherd {

// One mistake in an Oxfile or an env file, or one thing worth knowing about it (a note).
struct ConfigError {
  std::string file;          // as the caller named it
  std::uint32_t line = 0;    // from 1; 0: about the file as a whole
  std::uint32_t column = 0;  // from 1, in characters
  std::string key;           // "processes.api.stop_timeout_ms"; may be empty
  std::string message;       // what is wrong; how to mend it
  std::string source_line;   // the line as written; may be empty

  // `Oxfile.toml:14:19: processes.api.stop_timeout_ms: "10 sec" is not a duration; write …`
  [[nodiscard]] std::string Line() const;

  // Line(), then the source line (cut to the part around the mistake) and a caret below it. No
  // newline at the end; control characters of the file are shown as "?".
  [[nodiscard]] std::string Render() const;
};

// All of them, one below the other, each ending with a newline.
[[nodiscard]] std::string Render(std::span<const ConfigError> errors);

}  // namespace oxherd
