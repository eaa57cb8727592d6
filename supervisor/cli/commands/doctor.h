// What `oxherd doctor` looks at, as facts and as judgements about them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/session.h"

namespace oxherd::cli {

struct Finding {
  enum class Kind : std::uint8_t { kGood, kAdvice, kBad };  // advice: works, and could be better
  Kind kind = Kind::kGood;
  std::string what;
  std::string mend = {};  // what to type; empty where all is well
  friend bool operator==(const Finding&, const Finding&) = default;
};

// The limits of this machine that services meet first.
struct MachineFacts {
  std::uint64_t open_files = 0;  // soft RLIMIT_NOFILE of the daemon; 0: not known
  std::uint64_t backlog = 0;     // net.core.somaxconn; 0: not known
  bool has_cgroup = false;       // the daemon can make cgroups, or may
  bool is_user_daemon = false;
  bool has_systemd = false;
  bool lingers = false;     // loginctl enable-linger
  bool comes_back = false;  // a unit is enabled
};
[[nodiscard]] std::vector<Finding> JudgeMachine(const MachineFacts& facts, std::string_view user);

// A service's address, and who has it in truth.
struct PortFacts {
  std::string service;
  std::uint16_t port = 0;
  std::string holder;  // "pid 77 (node old.js)"; empty: nobody, or the service itself
};
[[nodiscard]] std::vector<Finding> JudgePorts(const std::vector<PortFacts>& ports);

}  // namespace oxherd::cli
