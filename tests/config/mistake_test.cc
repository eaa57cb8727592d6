// The most likely mistakes, and exactly what is said of each.
#include <array>
#include <string_view>

#include "config/oxfile.h"
#include "doctest/doctest.h"

namespace oxherd {
namespace {

struct Mistake {
  std::string_view file;
  std::string_view said;
};

constexpr auto kMistakes = std::to_array<Mistake>({
    {R"([processes.api]
comand = "node dist/server.js"
)",
     R"(Oxfile.toml:2:1: processes.api.comand: unknown key; did you mean "command"?
    comand = "node dist/server.js"
    ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
stop_timeout = 30000
)",
     R"(Oxfile.toml:3:1: processes.api.stop_timeout: unknown key; did you mean "stop_timeout_ms"?
    stop_timeout = 30000
    ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
stop_timeout_ms = "30 sec"
)",
     R"(Oxfile.toml:3:19: processes.api.stop_timeout_ms: "30 sec" is not a duration; write 30000 or "30s"
    stop_timeout_ms = "30 sec"
                      ^
)"},
    {R"([processes.api]
command = node dist/server.js
)",
     R"(Oxfile.toml:2:11: text needs quotes; write command = "node dist/server.js"
    command = node dist/server.js
              ^
)"},
    {R"([processes.api]
command = "node dist/server.js
)",
     R"(Oxfile.toml:2:31: the string is not closed; add " at its end
    command = "node dist/server.js
                                  ^
)"},
    {R"([processes.api]
command: "node dist/server.js"
)",
     R"(Oxfile.toml:2:8: this is not TOML; write command = …, not ":"
    command: "node dist/server.js"
           ^
)"},
    {R"([processes.api
command = "node dist/server.js"
)",
     R"(Oxfile.toml:1:15: the table's name is not closed; write [processes.api]
    [processes.api
                  ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
restart_on_exit = True
)",
     R"(Oxfile.toml:3:19: "True" is not TOML; write restart_on_exit = true
    restart_on_exit = True
                      ^
)"},
    {R"([process.api]
command = "node dist/server.js"
)",
     R"(Oxfile.toml:1:2: process: unknown key; did you mean "processes"?
    [process.api]
     ^
)"},
    {R"([[apps]]
name = "api"
comand = "node dist/server.js"
)",
     R"(Oxfile.toml:3:1: apps.api.comand: unknown key; did you mean "command"?
    comand = "node dist/server.js"
    ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
logs.compress = "yes"
)",
     R"(Oxfile.toml:3:17: processes.api.logs.compress: found the string "yes", expected true or false
    logs.compress = "yes"
                    ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
instances = 0
)",
     R"(Oxfile.toml:3:13: processes.api.instances: 0 is out of range; write 1 to 1000
    instances = 0
                ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
instances = "2"
)",
     R"(Oxfile.toml:3:13: processes.api.instances: found the string "2", expected 1 to 1000 or "max"; remove the quotes
    instances = "2"
                ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
restart = "on_failure"
)",
     R"(Oxfile.toml:3:11: processes.api.restart: "on_failure" is not known; did you mean "on-failure"?
    restart = "on_failure"
              ^
)"},
    {R"([processes.api]
command = "node dist/server.js"

[processes.worker]
command = "node dist/worker.js"
depends_on = ["app"]
)",
     R"(Oxfile.toml:6:15: processes.worker.depends_on: there is no service "app"; did you mean "api"?
    depends_on = ["app"]
                  ^
)"},
    {R"([processes.api]
command = "source venv/bin/activate && gunicorn app:app"
)",
     R"(Oxfile.toml:2:11: processes.api.command: /bin/sh has no "source"; write ". venv/bin/activate"
    command = "source venv/bin/activate && gunicorn app:app"
              ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
endpoint = "http://127.0.0.1:3000/health"
)",
     R"(Oxfile.toml:3:1: processes.api.endpoint: unknown key here; it belongs in [processes.api.health_check]
    endpoint = "http://127.0.0.1:3000/health"
    ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
instances = 2

[processes.api.health_check]
endpoint = "http://127.0.0.1:3000/health"
)",
     R"(Oxfile.toml:6:12: processes.api.health_check.endpoint: 2 instances would be asked on port 3000, and none of them be told apart; add listen = 3000, or port_base = 3000 and write ${PORT} here
    endpoint = "http://127.0.0.1:3000/health"
               ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
env = { URL = "http://127.0.0.1:${PORT}" }
)",
     R"(Oxfile.toml:3:15: processes.api.env.URL: ${PORT} is not set; add listen = 3000, or PORT to env
    env = { URL = "http://127.0.0.1:${PORT}" }
                  ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
stop_signal = "SIGTREM"
)",
     R"(Oxfile.toml:3:15: processes.api.stop_signal: "SIGTREM" is not a signal; did you mean "SIGTERM"?
    stop_signal = "SIGTREM"
                  ^
)"},
    {R"([processes.api]
command = "node dist/server.js"

[processes.api]
command = "node dist/worker.js"
)",
     R"(Oxfile.toml:4:1: "processes.api" is defined twice; keep one of the two
    [processes.api]
    ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
ready_log = "listening on \d+"
)",
     R"(Oxfile.toml:3:28: in "…" a backslash begins an escape such as \n; write it twice, or use '…'
    ready_log = "listening on \d+"
                               ^
)"},
    {R"([processes.api]
command = “node dist/server.js”
)",
     R"(Oxfile.toml:2:11: this quote is not TOML's; write " or '
    command = “node dist/server.js”
              ^
)"},
    {R"([processes.api]
command = "node dist/server.js"
env = ["A=1"]
)",
     R"(Oxfile.toml:3:7: processes.api.env: found an array, expected a table; write { NAME = "value" }
    env = ["A=1"]
          ^
)"},
    {R"([processes.api.v2]
command = "node dist/server.js"
)",
     R"(Oxfile.toml:1:16: processes.api.v2: a name with a dot needs quotes; write [processes."api.v2"]
    [processes.api.v2]
                   ^
)"},
    {R"([processes.api]
cwd = "/srv/app"
)",
     R"(Oxfile.toml:1:12: processes.api: no command; add command = "what to run"
    [processes.api]
               ^
)"},
});

TEST_CASE("each of the most likely mistakes is shown at its place with its mend") {
  for (const Mistake& mistake : kMistakes) {
    CAPTURE(mistake.file);
    const auto outcome = ParseOxfile(mistake.file, "Oxfile.toml", {.home_dir = "/home/ann"});
    REQUIRE_FALSE(outcome.has_value());
    CHECK(Render(outcome.error()) == mistake.said);
  }
}

TEST_CASE("all mistakes of a file are reported together, in the order of the file") {
  constexpr std::string_view kFile = R"([processes.api]
command = "node 'x"
instances = 0

[processes.worker]
comand = "x"
stop_signal = "SIGNOPE"
)";
  const auto outcome = ParseOxfile(kFile, "Oxfile.toml", {});
  REQUIRE_FALSE(outcome.has_value());
  REQUIRE(outcome.error().size() == 4);
  CHECK(outcome.error()[0].line == 2);
  CHECK(outcome.error()[1].line == 3);
  CHECK(outcome.error()[2].line == 6);
  CHECK(outcome.error()[3].line == 7);
}

TEST_CASE("several lines that are no TOML are reported together") {
  constexpr std::string_view kFile = R"([processes.api]
command = node server.js
restart_on_exit = True
stop_timeout_ms = 10s
name: api
)";
  const auto outcome = ParseOxfile(kFile, "Oxfile.toml", {});
  REQUIRE_FALSE(outcome.has_value());
  CHECK(outcome.error().size() == 4);
}

TEST_CASE("the caret stands under the mistake also after tabs and characters of several bytes") {
  const ConfigError error{"f", 1, 9, "", "m", "\t\"äöü\" = \x1b[31m"};
  CHECK(error.Render() == "f:1:9: m\n     \"äöü\" = ?[31m\n            ^");
}

TEST_CASE("of a long line the part around the mistake is shown") {
  const ConfigError error{"f", 1,   500,
                          "",  "m", std::string(499, 'a') + "b" + std::string(500, 'c')};
  const std::string shown = error.Render();
  CHECK(shown.size() < 300);
  const std::size_t line = shown.find("\n    ") + 1;
  const std::size_t caret = shown.find('^') - shown.rfind('\n') - 1;
  CHECK(shown[line + caret] == 'b');
}

TEST_CASE("more than a hundred errors are counted, not shown") {
  std::string file = "[processes.api]\ncommand = \"x\"\n";
  for (int i = 0; i < 250; ++i) file += "zzzzzz" + std::to_string(i) + " = 1\n";
  const auto outcome = ParseOxfile(file, "Oxfile.toml", {});
  REQUIRE_FALSE(outcome.has_value());
  CHECK(outcome.error().size() == kMaxConfigErrors + 1);
  CHECK(outcome.error().back().Line() == "Oxfile.toml: 150 more errors are not shown");
}

}  // namespace
}  // namespace oxherd
