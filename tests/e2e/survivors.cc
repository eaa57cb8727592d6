#include "tests/e2e/survivors.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace oxherd::e2e {

bool SamePids(const std::vector<Instance>& before, const std::vector<Instance>& after) {
  return std::ranges::equal(before, after, [](const Instance& a, const Instance& b) {
    return a.name == b.name && a.pid == b.pid && IsAlive(b.pid);
  });
}

void StartWeb(const Home& home) {
  home.Write("server.js",
             "require('http').createServer((ask, answer) => answer.end('ok')).listen(@port);\n");
  home.Oxfile(R"(
[processes.web]
command = "node server.js"
listen = @port
instances = 2
)");
  home.MustRun({"start"});
}

void CheckThatAReloadOutlives(const std::function<void(const Home&)>& befalls) {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = "@misbehave on-term 0 then sleep"
instances = 3
min_uptime_ms = 400
)");
  home.MustRun({"start"});
  const auto before = home.List();
  Command reloading = home.Begin({"reload", "api"});
  WaitUntil("the first new instance", [&] {
    const auto now = home.List();
    return std::any_of(now.begin(), now.end(),
                       [](const Instance& instance) { return instance.generation == 2; });
  });

  befalls(home);

  CHECK(reloading.Wait().exit_code == 0);
  for (const Instance& old : before) {
    CHECK_FALSE(IsAlive(old.pid));
    CHECK(home.Get(old.name).state == "ready");
    CHECK(home.Get(old.name).generation == 2);
  }
}

}  // namespace oxherd::e2e
