// What came of a load, in numbers and in words.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/load/load.h"

namespace oxherd::load {

std::string_view NameOf(Cause cause) {
  switch (cause) {
    case Cause::kRefused:
      return "refused";
    case Cause::kResetBefore:
      return "reset before the answer";
    case Cause::kResetInside:
      return "reset inside the answer";
    case Cause::kClosedBefore:
      return "closed before the answer";
    case Cause::kClosedInside:
      return "closed inside the answer";
    case Cause::kStatus:
      return "status";
    case Cause::kBody:
      return "body";
    case Cause::kTimedOut:
      return "timed out";
    case Cause::kOther:
      return "other";
  }
  return "?";
}

std::uint64_t Counts::of(Cause cause) const {
  const auto found = causes.find(cause);
  return found == causes.end() ? 0 : found->second;
}

microseconds Counts::Latency(double part) const {
  if (latencies.empty()) {
    return microseconds(0);
  }
  const auto at = static_cast<std::size_t>(part * static_cast<double>(latencies.size()));
  return microseconds(latencies[std::min(at, latencies.size() - 1)]);
}

std::string Counts::Told() const {
  std::string told = std::to_string(failed) + " of " + std::to_string(ok + failed) + " failed, " +
                     std::to_string(connections) + " connections, " +
                     std::to_string(bodies.size()) + " answerers, longest gap " +
                     std::to_string(longest_gap.count()) + " ms, p50 " +
                     std::to_string(Latency(0.5).count()) + " us, p99 " +
                     std::to_string(Latency(0.99).count()) + " us";
  for (const auto& [cause, count] : causes) {
    told += "; " + std::string(NameOf(cause)) + ": " + std::to_string(count);
  }
  for (const Failure& failure : failures) {
    told += "\n  at " + std::to_string(failure.at.count()) +
            " ms: " + std::string(NameOf(failure.cause)) + " (" + failure.detail + "), client " +
            failure.client;
  }
  return told;
}

std::string Counts::Json() const {
  nlohmann::json by_cause = nlohmann::json::object();
  for (const auto& [cause, count] : causes) {
    by_cause[std::string(NameOf(cause))] = count;
  }
  return nlohmann::json{{"ok", ok},
                        {"failed", failed},
                        {"causes", by_cause},
                        {"connections", connections},
                        {"answerers", bodies.size()},
                        {"let_go", let_go},
                        {"took_ms", took_ms},
                        {"longest_gap_ms", longest_gap.count()},
                        {"p50_us", Latency(0.5).count()},
                        {"p99_us", Latency(0.99).count()},
                        {"max_us", Latency(1).count()}}
      .dump();
}

}  // namespace oxherd::load
