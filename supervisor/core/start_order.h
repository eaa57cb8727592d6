// Start and stop order: who waits for whom, and how many may start at once.
#pragma once

#include <string>
#include <vector>

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

// Whether `dependency` has been fulfilled since its service was last started. A service that is not
// known or not wanted fulfils nothing.
[[nodiscard]] bool IsMet(const State& state, const Dependency& dependency);

// Everything that the service waits for has been reached.
[[nodiscard]] bool DependenciesMet(const State& state, const Service& service);

// The names in an order in which each comes after what it depends on (by the specs given, else by
// those in the state). Cycles, which config/ refuses, are cut somewhere.
[[nodiscard]] std::vector<std::string> InDependencyOrder(const State& state,
                                                         const std::vector<SpecPtr>& specs,
                                                         const std::vector<std::string>& names);

// `names` and everything they depend on, directly or not.
[[nodiscard]] std::vector<std::string> WithDependencies(const State& state,
                                                        const std::vector<SpecPtr>& specs,
                                                        const std::vector<std::string>& names);

// Starts what waits, as far as dependencies, delays and bounds allow.
void LaunchWaiting(Context& context);

// Asks the service to stop once those of `names` that depend on it are down.
void OrderStop(Context& context, Service& service, const std::vector<std::string>& names);

// Carries out a stop order whose time has come.
void AdvanceStopOrder(Context& context, Service& service);

// Stops every instance of the service now.
void StopAllInstances(Context& context, Service& service, on::Stop::How how);

}  // namespace oxherd
