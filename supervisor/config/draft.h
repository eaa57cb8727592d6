// A service while its file is being read: what was said, where, and by which layer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"
#include "core/spec.h"

namespace oxherd {

// Later layers win, key by key.
enum class Layer : std::uint8_t {
  kInherited,  // [defaults], [logging]
  kOwn,        // [processes.NAME]
  kProfile,    // [processes.NAME.profiles.NAME], the one that counts
};

// Where a key was set.
struct Mark {
  Position position;  // of the value
  Layer layer = Layer::kOwn;
  std::string written = {};  // the key, where the file uses another word than its main name
};

enum class ReadyChoice : std::uint8_t { kAuto, kNotify, kHealth, kListen, kLog, kUptime };

struct EnvSetting {
  std::string name;
  std::string text;
  Position position;
  Layer layer = Layer::kOwn;
};

struct EnvFileSetting {
  std::string path;   // absolute
  std::string shown;  // as written
  bool optional = false;
  Position position;
  Layer layer = Layer::kOwn;
};

struct DependencySetting {
  Dependency dependency;
  Position position;
};

// A text whose `${…}` an instance's environment will replace.
struct Expandable {
  std::string text;
  Position position;
};

// What only OxMgr's dialect says, until all of it is known (FinishApp()).
struct AppWishes {
  std::optional<std::uint16_t> max_restarts = {};
  std::optional<std::uint16_t> crash_restart_limit = {};
  std::uint16_t cluster_instances = 0;  // 0: one per usable CPU
  bool is_app = false;                  // the file is OxMgr's
  bool cluster_mode = false;
  bool reuse_port = false;
  bool wait_ready = false;
  bool deny_gpu = false;
  bool disabled = false;
  std::optional<Position> unified_logs = {};
  std::string instance_var = {};
};

struct Draft {
  Spec spec;
  Position position;          // of [processes.NAME]
  std::string table;          // "processes.api"
  std::string profile_table;  // "processes.api.profiles.production"; empty: none counts
  // By the main name of the key, with the table's in front: "restart", "health_check.endpoint".
  std::map<std::string, Mark, std::less<>> marks;
  std::map<std::string, std::vector<Expandable>, std::less<>> expandables;  // likewise
  std::vector<EnvSetting> env;                                              // inherited, then own
  std::vector<EnvFileSetting> env_files;
  std::vector<DependencySetting> depends_on;
  ReadyChoice ready = ReadyChoice::kAuto;
  bool instances_by_cpus = false;
  std::string check_endpoint;
  std::string check_tcp;
  Command check_command;
  AppWishes app;

  [[nodiscard]] const Mark* Find(std::string_view key) const {
    const auto found = marks.find(key);
    return found == marks.end() ? nullptr : &found->second;
  }
  [[nodiscard]] bool HasOwn(std::string_view key) const {
    const Mark* mark = Find(key);
    return mark != nullptr && mark->layer != Layer::kInherited;
  }
  // The table of a layer, for messages.
  [[nodiscard]] std::string TableOf(Layer layer) const {
    switch (layer) {
      case Layer::kInherited:
        return "defaults";
      case Layer::kOwn:
        break;
      case Layer::kProfile:
        return profile_table;
    }
    return table;
  }
  // "processes.api.reload_parallel", or "defaults.…" where that set it.
  [[nodiscard]] std::string PathOf(std::string_view key) const {
    const Mark* mark = Find(key);
    const std::string_view shown = mark == nullptr || mark->written.empty() ? key : mark->written;
    return TableOf(mark == nullptr ? Layer::kOwn : mark->layer) + "." + std::string(shown);
  }
  // Where to point when `key` is the matter: at its value, else at the service.
  [[nodiscard]] Position PositionOf(std::string_view key) const {
    const Mark* mark = Find(key);
    return mark == nullptr ? position : mark->position;
  }
};

}  // namespace oxherd
