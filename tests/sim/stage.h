// Stage: takes the real core through real steps, with the ledger watching, for tests of the checks.
//
// The last step can be doctored: what is to be seen of it is changed before it is checked.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/supervisor.h"
#include "tests/sim/checker.h"

namespace oxherd::sim {

inline SpecPtr MakeSpec(std::size_t service, const std::function<void(Policy&)>& change = nullptr) {
  auto spec = std::make_shared<Spec>();
  spec->name = ServiceName(service);
  spec->command.argv = {"/bin/true"};
  if (change) change(spec->policy);
  return spec;
}

inline SpecPtr Instances(std::uint16_t count) {
  return MakeSpec(0, [count](Policy& policy) { policy.instances = count; });
}

inline SpecPtr Needing(std::size_t service, std::size_t other) {
  return MakeSpec(service, [other](Policy& policy) {
    policy.depends_on = {{.service = ServiceName(other), .kind = DependencyKind::kReady}};
  });
}

class Stage {
 public:
  Stage() {
    scenario.services = kMaxServices;
    for (std::size_t i = 0; i < kMaxServices; ++i) scenario.versions[i] = {{.spec = MakeSpec(i)}};
    ledger.Reset();
  }

  using Doctor = std::function<void(Stage&)>;

  // One step of the core, as the simulation takes it; `doctor` changes what there is to be seen.
  Violation Step(const Event& event, const Doctor& doctor = nullptr) {
    before = after;
    ledger.Learn(event, now);
    actions.clear();
    Apply(after, event, now, actions);
    if (doctor) doctor(*this);
    Look(before, before_view);
    Look(after, after_view);
    return CheckStep({before_view, after_view, after, &event, actions, kernel, ledger, now});
  }
  // A step in which nothing is wrong.
  void Well(const Event& event) {
    const Violation violation = Step(event);
    INFO(std::string(violation.what));
    REQUIRE_FALSE(violation);
  }

  event::Request Ask(Verb verb, std::vector<std::string> names, std::vector<SpecPtr> specs = {}) {
    event::Request request;
    request.id = RequestId(++requests);
    request.verb = verb;
    request.names = std::move(names);
    request.specs = std::move(specs);
    return request;
  }
  void Pass(Duration duration) {
    now += duration;
    Well(event::Due{});
  }
  void ConfirmAll() {
    const State seen = after;
    for (const Service& service : seen.services) {
      for (const Slot& slot : service.slots) {
        Confirm(slot.current);
        if (slot.replacement) Confirm(*slot.replacement);
      }
    }
  }
  // Started, confirmed, and Ready by their uptime.
  void BringUp(std::vector<SpecPtr> specs) {
    std::vector<std::string> names;
    for (const SpecPtr& spec : specs) names.push_back(spec->name);
    Well(Ask(Verb::kStart, names, std::move(specs)));
    for (int round = 0; round < 3; ++round) {
      ConfirmAll();
      Pass(Seconds(1));
    }
    Populate();
  }
  void End(Token token, ExitStatus status) {
    Well(event::Exited{token, status});
    kernel.Forget(token);
    Well(event::Gone{token});
  }

  // A process in the kernel, whether the core knows it or not.
  Process& Live(Token token, std::size_t service = 0) {
    Process process;
    process.token = token;
    process.service = static_cast<std::uint8_t>(service);
    process.generation = Generation(1);
    process.life = Process::Life::kRunning;
    kernel.Fork(process, now);
    return *kernel.Find(token);
  }
  Violation Scene() {
    Look(after, after_view);
    return CheckScene({kernel, &after_view, ledger, scenario, now});
  }

  Service& service(std::size_t index = 0) { return *after.Find(ServiceName(index)); }
  Instance& current(std::size_t service_index = 0, std::size_t slot = 0) {
    return service(service_index).slots.at(slot).current;
  }
  Token token(std::size_t service_index = 0) { return current(service_index).token(); }
  template <typename A>
  A& Decided() {
    for (Action& action : actions) {
      if (auto* one = std::get_if<A>(&action)) return *one;
    }
    FAIL("the core did not decide that");
    return std::get<A>(actions.front());
  }

  Scenario scenario;
  State before;
  State after;
  Actions actions;
  Kernel kernel;
  Ledger ledger;
  View before_view;
  View after_view;
  Instant now = kBeginning;
  std::uint64_t requests = 0;

 private:
  void Confirm(const Instance& instance) {
    const oxherd::Process* process = instance.process();
    if (process != nullptr && !process->pid.is_set()) {
      Well(event::Started{process->token, Pid(++pids_)});
    }
  }
  void Populate() {
    for (const Service& one : after.services) {
      for (std::size_t slot = 0; slot < one.slots.size(); ++slot) {
        Live(one.slots[slot].current.token(), ServiceIndex(one.name)).slot =
            static_cast<SlotIndex>(slot);
      }
    }
  }
  std::int32_t pids_ = 100;
};

}  // namespace oxherd::sim
