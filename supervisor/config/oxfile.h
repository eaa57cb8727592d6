// Reads an Oxfile: its text in, the specs of its services out, or every mistake in it at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/config_error.h"
#include "core/spec.h"

namespace oxherd {

// What a file may be; more is one clear error.
constexpr std::size_t kMaxConfigBytes = std::size_t{4} * 1024 * 1024;
constexpr std::size_t kMaxServices = 5000;
constexpr std::size_t kMaxIncludedFiles = 1000;  // together not larger than kMaxConfigBytes
// More errors than these are counted, not shown.
constexpr std::size_t kMaxConfigErrors = 100;

enum class LogLevel : std::uint8_t { kError, kWarn, kInfo, kDebug };

// What `on_events` can name.
constexpr std::array<std::string_view, 5> kEventNames = {"failed", "rolled_back", "unhealthy",
                                                         "oom", "recovered"};

// [supervisor] and what of [logging] concerns all services together.
struct SupervisorSettings {
  LogLevel log_level = LogLevel::kInfo;
  std::uint16_t start_parallel = 32;
  std::uint64_t max_total_log_bytes = 0;  // of all logs together; 0 = no limit
  // Metrics and JSON API: "127.0.0.1:9615"; empty: off; nothing: the file does not say.
  std::optional<std::string> http = {};
  std::string http_token = {};  // for what changes something; empty: nothing can be changed there
  // Whose members may look at root's daemon and steer what its files define. Empty: nobody's;
  // nothing: the file does not say.
  std::optional<std::string> control_group = {};
  std::string file = {};                     // that says so, absolute
  std::optional<Command> on_event_cmd = {};  // run in the folder of `file`
  std::vector<std::string> on_events = {};   // which of kEventNames; empty: all
  friend bool operator==(const SupervisorSettings&, const SupervisorSettings&) = default;
};

// A valid file. Specs are complete (every default filled in) but not frozen: Freeze().
struct Oxfile {
  std::string path;         // as given
  std::vector<Spec> specs;  // in the order in which the file defines them
  SupervisorSettings supervisor;
  std::vector<ConfigError> notes;  // nothing wrong, but worth saying: ConfigError::Line()
};

// What the meaning of a file depends on, apart from its text.
struct ReadOptions {
  // The environment that instances will start from (the daemon's base). A `${NAME}` that neither it
  // nor the file sets is an error. Base names (environment.h) are known even if they are not here.
  std::vector<EnvEntry> base_environment = {};
  std::string home_dir = {};      // what "~/" stands for
  std::uint16_t usable_cpus = 1;  // what `instances = "max"` stands for
  // Notes also where OxMgr's dialect means something else here: for `validate`.
  bool explains_dialect = false;
  // The [.profiles.NAME] that counts; empty: none. Nothing was said: the one that a service was
  // read with before; for one that is new, that of the others, if they agree.
  std::optional<std::string> profile = {};
  std::map<std::string, std::string, std::less<>> remembered_profiles = {};  // by service
};

// How the files that an Oxfile names are reached.
struct FileAccess {
  // The text of an env file; an error's `number` is ENOENT where there is none.
  std::function<Result<std::string>(const std::string& path)> read;
  std::function<bool(const std::string& path)> is_directory;
  // The names in a folder, for `include`; where it is empty no files are included.
  std::function<Result<std::vector<std::string>>(const std::string& folder)> names_in = {};
  // Why root must not read an included file, as somebody else may change it; empty: it may.
  std::function<std::string(const std::string& path)> why_unsafe = {};
};

using ReadOutcome = std::expected<Oxfile, std::vector<ConfigError>>;

// Reads the file once (regular, UTF-8, at most kMaxConfigBytes), the files it includes and the env
// files they name, and validates the whole. Either all of it holds, or all errors come back, in the
// order of the file. Blocks on the disk; never throws.
[[nodiscard]] ReadOutcome ReadOxfile(const std::string& path, const ReadOptions& options);

// The same for text already read; pure but for `files`. Without `files.read` env files are
// recorded, not read, and `${NAME}` cannot be judged where one is named. `path` is for messages,
// and its folder is what relative paths are relative to.
[[nodiscard]] ReadOutcome ParseOxfile(std::string_view text, const std::string& path,
                                      const ReadOptions& options, const FileAccess& files = {});

}  // namespace oxherd
