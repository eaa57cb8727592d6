#include "daemon/store/state_file.h"

#include <doctest/doctest.h>

#include <string>

#include "core/supervisor.h"
#include "tests/daemon/sample_state.h"

namespace oxherd {
namespace {

// Every field another value than its default.
Spec FullSpec() {
  Spec spec = *SampleSpec("full");
  Policy& policy = spec.policy;
  policy.type = ServiceType::kOneshot;
  policy.instances = 5;
  policy.restart = RestartPolicy::kOnFailure;
  policy.reload_strategy = ReloadStrategy::kStopFirst;
  policy.kill_mode = KillMode::kMixed;
  policy.ready_by = ReadyBy::kLog;
  policy.autostart = false;
  policy.reload_parallel = 2;
  policy.stop_signal = 10;
  policy.ready_timeout = std::nullopt;
  policy.min_uptime = Millis(1);
  policy.start_delay = Millis(2);
  policy.restart_delay = Millis(3);
  policy.restart_delay_max = Millis(4);
  policy.max_restarts = 6;
  policy.restart_window = Millis(7);
  policy.failed_retry = Millis(8);
  policy.stop_timeout = Millis(9);
  policy.hook_timeout = Millis(11);
  policy.pre_reload_timeout = Millis(12);
  policy.has_pre_reload = policy.has_pre_stop = policy.has_post_stop = policy.has_health = true;
  policy.health_interval = Millis(13);
  policy.health_initial_delay = Millis(14);
  policy.health_timeout = Millis(15);
  policy.healthy_threshold = 16;
  policy.unhealthy_threshold = 17;
  policy.depends_on = {{"db", DependencyKind::kCompleted}};
  spec.command.through_shell = true;
  spec.program = "/bin/full";
  spec.port_base = 4000;
  spec.ready_log = "listening on [0-9]+";
  spec.health_check = {.kind = HealthCheck::Kind::kHttp,
                       .target = "http://localhost:${PORT}/",
                       .command = {.argv = {"true"}},
                       .interval = Millis(18),
                       .timeout = Millis(19),
                       .initial_delay = Millis(20),
                       .healthy_threshold = 21,
                       .unhealthy_threshold = 22};
  spec.pre_reload_cmd.argv = {"a"};
  spec.pre_stop_cmd.argv = {"b"};
  spec.post_stop_cmd.argv = {"c"};
  spec.logs = {.out_path = "/o",
               .err_path = "/e",
               .date_format = "%H",
               .max_bytes = 1ULL << 40,
               .max_files = 23,
               .max_days = 24,
               .compress = false,
               .to = LogTo::kJournal,
               .mode = 0640,
               .group = "adm",
               .gid = 4};
  spec.limits.max_open_files = 25;
  spec.nice = static_cast<std::int8_t>(-5);
  spec.env_files = {"/srv/.env"};
  return spec;
}

event::Boot SampleWishes() {
  event::Boot wishes;
  wishes.wishes.push_back({SampleSpec("api"), Generation(7), true});
  wishes.wishes.push_back({std::make_shared<const Spec>(FullSpec()), Generation(1), false});
  return wishes;
}

void CheckSame(const event::Boot& one, const event::Boot& other) {
  REQUIRE(one.wishes.size() == other.wishes.size());
  for (std::size_t i = 0; i < one.wishes.size(); ++i) {
    CHECK(*one.wishes[i].spec == *other.wishes[i].spec);
    CHECK(one.wishes[i].generation == other.wishes[i].generation);
    CHECK(one.wishes[i].wanted == other.wishes[i].wanted);
  }
}

std::string WhyNot(std::string_view text) {
  const auto decoded = DecodeStateFile(text);
  REQUIRE_FALSE(decoded);
  return decoded.error().message;
}

}  // namespace

TEST_CASE("state.json gives back every field of every spec") {
  const event::Boot wishes = SampleWishes();
  const auto decoded = DecodeStateFile(EncodeStateFile(wishes));
  REQUIRE_MESSAGE(decoded, decoded.error().message);
  CheckSame(*decoded, wishes);
}

TEST_CASE("an empty state.json is one without services, an empty file is none") {
  const auto decoded = DecodeStateFile(EncodeStateFile({}));
  REQUIRE(decoded);
  CHECK(decoded->wishes.empty());
  CHECK(WhyNot("").find("empty") != std::string::npos);
}

TEST_CASE("any byte of state.json that was changed or cut off is noticed") {
  const std::string text = EncodeStateFile(SampleWishes());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 0x20);
    // Changing the case of a letter of the first line's hexadecimal digits means the same.
    const auto decoded = DecodeStateFile(changed);
    if (decoded) CheckSame(*decoded, SampleWishes());
    if (i > text.find('\n')) REQUIRE_FALSE(decoded);
    REQUIRE_FALSE(DecodeStateFile(text.substr(0, i)));
  }
}

TEST_CASE("state.json of a newer oxherd is refused by name, not misread") {
  std::string text = EncodeStateFile(SampleWishes());
  text.replace(text.find(":1,"), 3, ":2,");
  CHECK(WhyNot(text).find("newer oxherd (version 2)") != std::string::npos);
}

TEST_CASE("fields that a later version added are ignored, missing ones have their defaults") {
  const std::string service =
      R"({"generation":3,"wanted":true,"later":{"a":[1]},"spec":{"name":"api","colour":"red",)"
      R"("command":{"argv":["/bin/api"]}}})";
  event::Boot none;
  std::string text = EncodeStateFile(none);
  // The checksum is over what follows the first line: take it from the error-free way of writing
  // it.
  const std::string rest = "\"services\":[\n" + service + "\n]}\n";
  const std::string first = StateFileFirstLine(rest);
  const auto decoded = DecodeStateFile(first + rest);
  REQUIRE_MESSAGE(decoded, decoded.error().message);
  REQUIRE(decoded->wishes.size() == 1);
  CHECK(decoded->wishes[0].spec->name == "api");
  CHECK(decoded->wishes[0].spec->policy == Policy{});
}

TEST_CASE("values that the core could not live with are refused") {
  for (const char* const spec :
       {R"({"name":"","command":{"argv":["x"]}})", R"({"name":"api","command":{"argv":[]}})",
        R"({"name":"api","command":{"argv":["x"]},"policy":{"instances":0}})",
        R"({"name":"api","command":{"argv":["x"]},"policy":{"instances":70000}})",
        R"({"name":"api","command":{"argv":["x"]},"policy":{"ready_by":9}})",
        R"({"name":"api","command":{"argv":["x"]},"policy":{"min_uptime_ms":"soon"}})",
        R"({"name":"api","command":{"argv":["x"]},"nice":1000})", R"([])", "null"}) {
    CAPTURE(spec);
    const std::string rest =
        std::string("\"services\":[{\"generation\":1,\"wanted\":true,\"spec\":") + spec + "}]}\n";
    CHECK_FALSE(DecodeStateFile(StateFileFirstLine(rest) + rest));
  }
}

TEST_CASE("what is wanted is what is not being deleted, stopped or not") {
  State state = SampleState(3);
  state.services[0].wish = Wish::kStopped;
  state.services[1].deleting = true;
  const event::Boot wishes = WishesOf(state);
  REQUIRE(wishes.wishes.size() == 2);
  CHECK(wishes.wishes[0].spec->name == "s0");
  CHECK_FALSE(wishes.wishes[0].wanted);
  CHECK(wishes.wishes[1].spec->name == "s2");
  CHECK(wishes.wishes[1].wanted);
  CHECK(wishes.wishes[1].generation == Generation(3));
}

TEST_CASE(
    "definitions that were ready are kept for a rollback, through the file and into a state") {
  State state = SampleState(1);
  Service& service = state.services[0];
  auto older = SampleSpec("s0");
  older->env = {{"V", "1"}};
  service.specs.insert(service.specs.begin(),
                       {.generation = Generation(2), .spec = older, .was_ready = true});
  service.specs.insert(service.specs.begin(),
                       {.generation = Generation(1), .spec = older, .was_ready = false});
  const auto decoded = DecodeStateFile(EncodeStateFile(WishesOf(state)));
  REQUIRE(decoded);
  REQUIRE(decoded->wishes[0].earlier.size() == 1);
  CHECK(decoded->wishes[0].earlier[0].generation == Generation(2));
  CHECK(*decoded->wishes[0].earlier[0].spec == *older);
  State fresh;
  Populate(fresh, *decoded);
  REQUIRE(fresh.services[0].Find(Generation(2)) != nullptr);
  CHECK(fresh.services[0].Find(Generation(2))->was_ready);
  CHECK(fresh.services[0].generation == Generation(3));
}

}  // namespace oxherd
