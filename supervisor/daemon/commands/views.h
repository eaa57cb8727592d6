// What `list`, `status` and `logs` show: the state and what was observed, as the wire's rows.
//
// Reads the state as it is at this moment and never waits. Instants become wall time here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "control/message.h"
#include "core/state.h"
#include "daemon/launch/spawn_plan.h"
#include "daemon/observations.h"
#include "daemon/traffic/pools.h"
#include "daemon/triggers/file_watches.h"
#include "daemon/triggers/timetable.h"
#include "daemon/usage.h"

namespace oxherd {

// Both clocks, read at one moment.
struct Clocks {
  Instant now;
  std::int64_t unix_ms = 0;

  [[nodiscard]] static Clocks Read();
  [[nodiscard]] std::int64_t UnixMs(Instant instant) const {
    return unix_ms - ToMillis(now - instant);
  }
};

class Views {
 public:
  struct Sources {
    const State& state;
    Observations& observations;
    UsageSampler& usage;
    const Pools& pools;
    const Timetable& timetable;
    const FileWatches& files;
    const SpawnGround& ground;
  };
  enum class WithUsage : bool { kNo, kYes };
  enum class WithLogs : bool { kNo, kYes };

  explicit Views(const Sources& from) : from_(from), clocks_(Clocks::Read()) {}

  // Rows in the order of the services; an instance that does not exist has none. `only` empty: all.
  [[nodiscard]] std::vector<control::Row> Rows(const std::vector<InstanceId>& only,
                                               WithUsage with_usage, WithLogs with_logs);
  // One for each service that has an instance in `only`.
  [[nodiscard]] std::vector<control::ServiceDetail> Details(const std::vector<InstanceId>& only);

  struct Counts {
    std::uint32_t services = 0;
    std::uint32_t instances = 0;
    std::uint32_t ready = 0;
  };
  [[nodiscard]] Counts Count() const;

 private:
  [[nodiscard]] control::Row RowOf(const Service& service, SlotIndex slot, WithLogs with_logs);
  void AddProcess(const Instance& instance, control::Row& row) const;
  void AddTrouble(const Service& service, const Instance& instance, control::Row& row) const;
  void AddHealth(const Spec& spec, const Instance& instance, control::Row& row) const;
  void AddLogs(const Spec& spec, control::Row& row) const;
  void AddListen(const Service& service, const Instance& instance, control::Row& row) const;
  void AddPools(const Service& service, control::ServiceDetail& detail) const;
  [[nodiscard]] control::ServiceDetail DetailOf(const Service& service,
                                                const std::vector<InstanceId>& only);

  Sources from_;
  Clocks clocks_;
};

// Why, with what only this daemon has seen: a plan that could not be made, a port that another
// process answers.
[[nodiscard]] std::string ReasonFor(const Failure& failure, const Spec* spec,
                                    const Observations& observations);
// `text` about that failure, with the better words for it.
[[nodiscard]] std::string WithReason(std::string text, const Failure& failure, const Spec* spec,
                                     const Observations& observations);

}  // namespace oxherd
