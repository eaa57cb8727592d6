// Wording: failures, progress and log lines, made of the core's facts. Both programs use only this.
//
// Pure. Environment values never appear.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/action.h"
#include "core/failure.h"
#include "core/limit_watch.h"
#include "core/spec.h"

namespace oxherd::control {

// What the facts leave open. All of it may be missing; the words are then less exact.
struct About {
  const Spec* spec = nullptr;         // of the generation that it is about
  std::uint16_t port = 0;             // that its health check asks
  std::string_view search_path = {};  // the instance's PATH, for a program that was not found
};

// Why, as what a subject did, so that "api/0 " can stand in front: "exited 1 after 84 ms, before it
// was ready"; `cannot start: chdir "/srv/app": No such file or directory`; "waits for migrate,
// which failed: exit 1". No full stop. Empty for a Failure that is none.
[[nodiscard]] std::string Describe(const Failure& failure, const About& about = {});

// What happened, for a progress line: "ready in 412 ms", "stopping: SIGTERM, SIGKILL after 10 s".
[[nodiscard]] std::string Describe(const action::Tell& tell, const About& about = {});

// What a ready instance has proved: "answers /health", "alive for 1 s, no health check".
[[nodiscard]] std::string EvidenceText(const Spec& spec);

enum class Severity : std::uint8_t { kError, kWarn, kInfo, kDebug };

// For the daemon's log: "api/0 gen=8 exited code=1 uptime=3.2s".
struct LogLine {
  Severity severity = Severity::kInfo;
  std::string text;
};
[[nodiscard]] LogLine LogLineFor(const action::Tell& tell, const About& about = {});

// The word for a number in Failure::stage (keeper/protocol.h: StageName): "chdir".
[[nodiscard]] std::string_view StageWord(std::uint8_t stage);

// For ServiceDetail.
[[nodiscard]] std::string ReadyByText(const Spec& spec);
[[nodiscard]] std::string RestartText(const Policy& policy);
[[nodiscard]] std::string StopText(const Policy& policy);
// "memory 256 MB, cpu 80% over 60 s"; empty if there are no such limits.
[[nodiscard]] std::string LimitsText(const Limits& limits);
// "312 MB in use, limit 256 MB", "93% of a core over 60 s, limit 80%".
[[nodiscard]] std::string ExcessText(const Excess& excess, const Limits& limits);
[[nodiscard]] std::string DependencyText(const Dependency& dependency);

}  // namespace oxherd::control
