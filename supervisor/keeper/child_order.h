// From a plan to a running program: the child's side of a spawn.
#pragma once

#include <optional>
#include <span>

#include "keeper/plan.h"
#include "os/fd.h"
#include "os/process.h"

namespace oxherd::keeper {

// What a child has besides its plan. Nothing is owned; it is read in the child.
struct ChildSurroundings {
  std::span<const os::Fd> attached;  // as they came with the Spawn
  // Held descriptors by name: `number` of a name that is not held is -1.
  struct Held {
    int (*number)(const void* where, std::string_view name) = nullptr;
    const void* where = nullptr;
  } held;
  os::OpenFiles open_files;  // those the keeper was started with
  // For plans that do not say.
  std::optional<int> oom_score_adj;
  int report = -1;
  Pid parent;  // the keeper
};

// In the child: carries the plan out; a failure goes to the report pipe (os/child.h).
[[noreturn]] void RunPlan(const PlanView& plan, const ChildSurroundings& surroundings);

}  // namespace oxherd::keeper
