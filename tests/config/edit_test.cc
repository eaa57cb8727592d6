// Whatever somebody types into an Oxfile, the answer is specs or errors with a place.
#include <ctime>
#include <random>
#include <string>

#include "config/oxfile.h"
#include "config/text_check.h"
#include "doctest/doctest.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

constexpr std::string_view kValid = R"(# An Oxfile with something of everything.
[supervisor]
log_level = "debug"

[defaults]
stop_timeout_ms = "10s"
env = { LANG = "C", "QUOTED" = 'x' }

[processes.api]
command = "node dist/server.js --name 'ä b' ${INSTANCE}"
instances = 2
port_base = 4000
env_file = [".env", { path = ".env.local", optional = true }]
depends_on = { migrate = "completed" }
log_date_format = "YYYY-MM-DD HH:mm:ss"
ready_log = 'listening on \d+'
ready = "log"

[processes.api.env]
URL = "http://127.0.0.1:${PORT}/${HOME}"
TEXT = """
several
lines"""

[processes.api.health_check]
endpoint = "http://127.0.0.1:${PORT}/health"
interval_secs = 10

[processes.worker]
command = ["python3", "-u", "worker.py"]
stop_signal = "SIGINT"
depends_on = ["migrate"]
limits.max_open_files = 4_096

[processes.migrate]
type = "oneshot"
command = "npx prisma migrate deploy | tee log"

[processes.worker.profiles.production]
stop_timeout_ms = 9
env = { LEVEL = "production" }
)";

constexpr std::string_view kApps = R"(# What OxMgr reads.
version = 1

[defaults]
restart_policy = "on_failure"
max_restarts = 3
crash_restart_limit = 2

[[apps]]
name = "api"
command = "node server.js"
cluster_mode = true
cluster_instances = 2
health_cmd = "curl -fsS http://127.0.0.1:3000/health"
wait_ready = true
stop_timeout_secs = 20
logs = { stdout = "out.log", combined = "all.log" }
[apps.env]
PORT = "3000"
[apps.profiles.prod]
instances = 2
env = { A = "1" }

[[apps]]
name = "worker"
command = "work"
depends_on = ["api"]
instance_var = "NUMBER"
disabled = false

[deploy.production]
host = ["a", "b"]
)";

Surroundings Here() {
  Surroundings here;
  here.files["/srv/app/.env"] = "A=1\nB='x'\n";
  return here;
}

void CheckPlaces(const ReadOutcome& outcome) {
  if (outcome) {
    CHECK_FALSE(outcome->specs.empty());
    return;
  }
  CHECK_FALSE(outcome.error().empty());
  for (const ConfigError& error : outcome.error()) {
    CHECK_FALSE(error.message.empty());
    CHECK(error.line > 0);
    CHECK(error.column > 0);
    CHECK_FALSE(error.Line().contains('\n'));
  }
}

std::string Edited(std::string_view valid, std::mt19937_64& random) {
  std::string text(valid);
  const auto below = [&random](std::size_t bound) {
    return static_cast<std::size_t>(random() % bound);
  };
  const std::size_t edits = 1 + below(4);
  for (std::size_t i = 0; i < edits; ++i) {
    const std::size_t at = below(text.size());
    const std::size_t length = std::min<std::size_t>(1 + below(12), text.size() - at);
    switch (below(6)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text[at] = static_cast<char>(below(256));
        break;
      case 2:
        text.insert(at, 1, static_cast<char>(below(128)));
        break;
      case 3:
        text.insert(at, text.substr(below(text.size()), length));
        break;
      case 4:
        text.resize(at + 1);
        break;
      default:
        std::swap(text[at], text[below(text.size())]);
    }
  }
  return text;
}

TEST_CASE("the files that are edited are valid") {
  CHECK(Here().Parse(kValid).has_value());
  CHECK(Here().Read(kApps).specs.size() == 2);
}

TEST_CASE("a thousand random edits of a valid Oxfile give specs or located errors") {
  const Surroundings here = Here();
  std::mt19937_64 random(20'240'601);
  for (const std::string_view valid : {kValid, kApps}) {
    int refused = 0;
    for (int i = 0; i < 1000; ++i) {
      const std::string text = Edited(valid, random);
      CAPTURE(text);
      const ReadOutcome outcome = here.Parse(text);
      CheckPlaces(outcome);
      if (!outcome) ++refused;
    }
    CHECK(refused > 500);
  }
}

TEST_CASE("an Oxfile cut off anywhere gives specs or located errors") {
  const Surroundings here = Here();
  for (std::size_t length = 0; length < kValid.size(); ++length) {
    CAPTURE(length);
    CheckPlaces(here.Parse(kValid.substr(0, length)));
  }
}

TEST_CASE("what toml++ cannot bear is refused before it sees it") {
  const Surroundings here;
  for (const std::string text : {"\xCA\x98",
                                 "[\xCA\x98]",
                                 "a\xCA\x98 = 1",
                                 "a = \xE2\x80\x9Cx\xE2\x80\x9D",
                                 "[`",
                                 "[.",
                                 "[",
                                 "[[",
                                 "[[x",
                                 "\xFF",
                                 "a = 7T\"x\xCA\x98\"",
                                 "a = \"x\"'\xCA\x98'",
                                 "a = \"\xC0\x80\"",
                                 "a = \x01",
                                 "= 1",
                                 "\"",
                                 "'''",
                                 "[a]\n[a]",
                                 "a = 1\na.b = 2",
                                 "[[processes]]\nx = 1",
                                 "processes = 1",
                                 "processes = [1]",
                                 "[processes]\napi = 5"}) {
    CAPTURE(text);
    const ReadOutcome outcome = here.Parse(text);
    CHECK_FALSE(outcome.has_value());
    CheckPlaces(outcome);
  }
  CHECK_FALSE(here.Parse(std::string_view("a = \"\0\"", 7)).has_value());
  CHECK(here.Parse(Api("# \xCA\x98 \xF0\x9F\x90\x82\nenv = { A = \"\xCA\x98\" }")).has_value());
}

TEST_CASE("nesting is bounded, whatever it is made of") {
  const Surroundings here;
  const auto repeated = [](std::string_view text, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += text;
    return all;
  };
  for (const std::string& text : std::initializer_list<std::string>{
           "a = " + repeated("[", 100'000), "[" + repeated("a.", 100'000) + "a]\n",
           repeated("a.", 100'000) + "a = 1\n", "a = " + repeated("{a=", 100'000),
           "a = " + repeated("[{a=", 50'000)}) {
    const std::string errors = here.Errors(text);
    CHECK(errors.contains("nested more than 32 deep"));
  }
}

TEST_CASE("a file of the largest size, of whatever it is made, is answered") {
  const Surroundings here;
  for (const std::string_view unit : {"#", "a", "[a]\n"}) {
    std::string text;
    while (text.size() + unit.size() <= kMaxConfigBytes) text += unit;
    CHECK_FALSE(here.Parse(text).has_value());
  }
  CHECK(here.Parse(std::string(kMaxConfigBytes + 1, '#')).error().size() == 1);
}

TEST_CASE("more services than are supervised are refused") {
  std::string text;
  for (std::size_t i = 0; i <= kMaxServices; ++i) {
    text += "[processes.s" + std::to_string(i) + "]\ncommand = \"x\"\n";
  }
  CHECK(Surroundings().Errors(text) == "1:2: processes: more than 5000 services");
}

// What this process worked, whatever else the machine does meanwhile.
double ProcessorMillis() { return 1000.0 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

#if defined(__has_feature)
#define OXHERD_SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define OXHERD_SANITIZED 1
#else
#define OXHERD_SANITIZED 0
#endif

std::string ManyServices(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "[processes.s" + std::to_string(i) + "]\ncommand = \"x\"\n";
  }
  return text;
}

TEST_CASE("what every service would repeat is bounded") {
  Surroundings here;
  CHECK(here.Errors("[defaults]\nenv = { A = \"" + std::string(65 * 1024, 'x') + "\" }\n" +
                    ManyServices(2)) ==
        "1:2: defaults: more than 64 KiB, which every service would repeat");
  here.files["/srv/app/.env"] = "A=" + std::string(100'000, 'x');
  const std::string errors = here.Errors("[defaults]\nenv_file = \".env\"\n" + ManyServices(1000));
  CHECK(errors.contains("the environments of all services together are larger than 64 MiB"));
}

TEST_CASE("a file of nothing but errors is answered as fast as another") {
  std::string keys = Api("");
  std::string names = "depends_on = [";
  std::string variables = "[processes.api.env]\n";
  for (int i = 0; i < 20'000; ++i) {
    keys += "stop_timeot" + std::to_string(i) + " = 1\n";
    names += "\"nam" + std::to_string(i) + "\",";
    variables += "NAME_" + std::to_string(i) + " = \"${NOPE}\"\n";
  }
  const double begin = ProcessorMillis();
  for (const std::string& text : {keys, Api(names + "]"), Api(variables)}) {
    const auto outcome = Surroundings().Parse(text);
    REQUIRE_FALSE(outcome.has_value());
    CHECK(outcome.error().size() == kMaxConfigErrors + 1);
  }
  CHECK(ProcessorMillis() - begin < 20'000);
}

TEST_CASE("a chain of dependencies as long as a file may have is fine") {
  std::string text;
  for (std::size_t i = 0; i < kMaxServices; ++i) {
    text += "[processes.s" + std::to_string(i) + "]\ncommand = \"x\"\n";
    if (i > 0) text += "depends_on = [\"s" + std::to_string(i - 1) + "\"]\n";
  }
  CHECK(Surroundings().Read(text).specs.size() == kMaxServices);
}

TEST_CASE("a thousand services are validated at once") {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "s" + std::to_string(i);
    text +=
        "[processes." + name + "]\ncommand = \"node dist/server.js\"\ninstances = 2\nport_base = " +
        std::to_string(3000 + 2 * i) + "\nstop_timeout_ms = 30000\nenv = { A = \"${HOME}\" }\n" +
        "env_file = \".env\"\n[processes." + name + ".health_check]\n" +
        "endpoint = \"http://127.0.0.1:${PORT}/health\"\n";
  }
  const Surroundings here = Here();
  const double begin = ProcessorMillis();
  CHECK(here.Read(text).specs.size() == 1000);
  const double took = ProcessorMillis() - begin;
  MESSAGE("1000 services: " << took << " ms");
#if defined(__OPTIMIZE__) && !OXHERD_SANITIZED
  CHECK(took < 100);
#endif
}

}  // namespace
}  // namespace oxherd
