#include "tests/sim/shrink.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace oxherd::sim {
namespace {

class Shrinker {
 public:
  Shrinker(Scenario scenario, const Violation& violation, int tries)
      : best_(std::move(scenario)), violation_(violation), tries_(tries) {}

  Scenario Run() {
    bool smaller = true;
    while (smaller && tries_ > 0) {
      smaller = DropSteps();
      smaller = DropFaults() || smaller;
      smaller = CalmVersions() || smaller;
      smaller = ComeCloser() || smaller;
    }
    return std::move(best_);
  }

 private:
  // Keeps the candidate if it fails in the same way.
  bool Try(Scenario candidate) {
    if (tries_-- <= 0) return false;
    const Violation found = simulation_->Run(candidate).violation;
    const bool same =
        found.invariant == violation_.invariant && std::string_view(found.what) == violation_.what;
    if (!same) return false;
    best_ = std::move(candidate);
    return true;
  }

  bool DropSteps() {
    bool any = false;
    for (std::size_t chunk = best_.steps.size() / 2 + 1; chunk > 0; chunk /= 2) {
      for (std::size_t at = 0; at < best_.steps.size();) {
        Scenario candidate = best_;
        const auto first = candidate.steps.begin() + static_cast<std::ptrdiff_t>(at);
        const std::size_t count = std::min(chunk, candidate.steps.size() - at);
        candidate.steps.erase(first, first + static_cast<std::ptrdiff_t>(count));
        if (Try(std::move(candidate))) {
          any = true;
        } else {
          at += count;
        }
      }
    }
    return any;
  }

  bool DropFaults() {
    bool any = false;
    for (bool Faults::* const fault :
         {&Faults::slow_messages, &Faults::bad_probes, &Faults::heartbeat, &Faults::whole_image,
          &Faults::lost_image, &Faults::shuffle, &Faults::bad_processes}) {
      if (!(best_.faults.*fault)) continue;
      Scenario candidate = best_;
      candidate.faults.*fault = false;
      any = Try(std::move(candidate)) || any;
    }
    return any;
  }

  bool CalmVersions() {
    bool any = false;
    for (std::size_t service = 0; service < best_.services; ++service) {
      for (std::size_t version = 0; version < best_.versions[service].size(); ++version) {
        if (best_.versions[service][version].quality == Quality::kGood) continue;
        Scenario candidate = best_;
        candidate.versions[service][version].quality = Quality::kGood;
        any = Try(std::move(candidate)) || any;
      }
      any = Simplify(service) || any;
    }
    return any;
  }

  // Fewer instances and settings, in all versions alike.
  bool Simplify(std::size_t service) {
    const auto edit = [&](auto change) {
      Scenario candidate = best_;
      bool differs = false;
      for (Version& version : candidate.versions[service]) {
        auto spec = std::make_shared<Spec>(*version.spec);
        change(spec->policy);
        differs = differs || !(spec->policy == version.spec->policy);
        if (version.asked != nullptr) {
          auto asked = std::make_shared<Spec>(*version.asked);
          change(asked->policy);
          version.asked = std::move(asked);
        }
        version.spec = std::move(spec);
      }
      return differs && Try(std::move(candidate));
    };
    bool any = edit([](Policy& policy) { policy.instances = 1; });
    any = edit([](Policy& policy) { policy.depends_on.clear(); }) || any;
    any = edit([](Policy& policy) { policy.has_pre_reload = false; }) || any;
    any = edit([](Policy& policy) { policy.has_pre_stop = false; }) || any;
    any = edit([](Policy& policy) { policy.has_post_stop = false; }) || any;
    any = edit([](Policy& policy) {
            policy.has_health = false;
            if (policy.ready_by == ReadyBy::kHealth) policy.ready_by = ReadyBy::kUptime;
          }) ||
          any;
    return any;
  }

  // Steps closer together in time.
  bool ComeCloser() {
    bool any = false;
    for (std::size_t i = 0; i < best_.steps.size(); ++i) {
      const Duration before = i == 0 ? Duration() : best_.steps[i - 1].at;
      const Duration gap = best_.steps[i].at - before;
      if (gap == Duration()) continue;
      Scenario candidate = best_;
      for (std::size_t j = i; j < candidate.steps.size(); ++j) candidate.steps[j].at -= gap;
      candidate.quiet_after -= gap;
      any = Try(std::move(candidate)) || any;
    }
    return any;
  }

  Scenario best_;
  Violation violation_;
  int tries_;
  std::unique_ptr<Simulation> simulation_ = std::make_unique<Simulation>();
};

}  // namespace

Scenario Shrink(const Scenario& scenario, const Violation& violation, int tries) {
  return Shrinker(scenario, violation, tries).Run();
}

std::string Report(const Scenario& scenario) {
  Simulation simulation;
  Trace trace;
  const Outcome outcome = simulation.Run(scenario, &trace);
  std::string text = Describe(scenario) + trace.text();
  if (outcome.violation) {
    text += "invariant " + std::to_string(static_cast<int>(outcome.violation.invariant)) + ": " +
            outcome.violation.what + "\n";
  }
  return text;
}

}  // namespace oxherd::sim
