// A service while its file is being read: what was said, where, and by which layer.
#pragma once

#include <cstdint>
#include <map>
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
};

// Where a key was set.
struct Mark {
  Position position;  // of the value
  Layer layer = Layer::kOwn;
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

struct Draft {
  Spec spec;
  Position position;  // of [processes.NAME]
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

  [[nodiscard]] const Mark* Find(std::string_view key) const {
    const auto found = marks.find(key);
    return found == marks.end() ? nullptr : &found->second;
  }
  [[nodiscard]] bool HasOwn(std::string_view key) const {
    const Mark* mark = Find(key);
    return mark != nullptr && mark->layer == Layer::kOwn;
  }
  // "processes.api.reload_parallel", or "defaults.…" where that set it.
  [[nodiscard]] std::string PathOf(std::string_view key) const {
    const Mark* mark = Find(key);
    const bool inherited = mark != nullptr && mark->layer == Layer::kInherited;
    return (inherited ? "defaults." : "processes." + spec.name + ".") + std::string(key);
  }
  // Where to point when `key` is the matter: at its value, else at the service.
  [[nodiscard]] Position PositionOf(std::string_view key) const {
    const Mark* mark = Find(key);
    return mark == nullptr ? position : mark->position;
  }
};

}  // namespace oxherd
