// Two services, and whether each of their processes still runs: for tests of deaths and upgrades.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "tests/e2e/home.h"

namespace oxherd::e2e {

// api (two instances) and worker, for Home::Oxfile().
inline constexpr std::string_view kTwoServices = R"(
[processes.api]
command = "@misbehave on-term 0 then sleep"
instances = 2
min_uptime_ms = 50
[processes.worker]
command = "@misbehave on-term 0 then sleep"
min_uptime_ms = 50
)";

// The same instances, each the same process, and alive.
[[nodiscard]] bool SamePids(const std::vector<Instance>& before,
                            const std::vector<Instance>& after);

// Starts a Node server in two instances under `listen = @port`: "ok" to everybody.
void StartWeb(const Home& home);

// A reload of three instances to which this happens after the first new one is there: it goes on,
// its caller gets the answer, and every old process is gone.
void CheckThatAReloadOutlives(const std::function<void(const Home&)>& befalls);

}  // namespace oxherd::e2e
