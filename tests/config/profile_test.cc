#include <algorithm>
#include <string>

#include "doctest/doctest.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

constexpr std::string_view kShop = R"([processes.api]
command = "server"
env_file = ".env"
env = { LEVEL = "own", HOST = "localhost" }
instances = 1
stop_timeout_ms = 1000

[processes.api.profiles.production]
instances = 4
env_file = ".env.production"
health_check = { endpoint = "http://127.0.0.1:${PORT}/health" }
listen = 3000

[processes.api.profiles.production.env]
LEVEL = "production"

[processes.api.profiles.staging]
instances = 2

[processes.worker]
command = "work"
)";

Surroundings With(std::optional<std::string> profile) {
  Surroundings here;
  here.files = {{"/srv/app/.env", "LEVEL=file\nHOST=file\n"},
                {"/srv/app/.env.production", "LEVEL=secret\nHOST=db1\nTOKEN=x\n"}};
  here.options.profile = std::move(profile);
  return here;
}

const Spec& Named(const Oxfile& file, std::string_view name) {
  const auto found = std::ranges::find(file.specs, name, &Spec::name);
  REQUIRE(found != file.specs.end());
  return *found;
}

std::string Last(const Spec& spec, std::string_view name) {
  std::string text = "(not set)";
  for (const auto& [key, value] : spec.env) {
    if (key == name) text = value;
  }
  return text;
}

TEST_CASE("a profile counts only when it is asked for") {
  const Oxfile file = With(std::nullopt).Read(kShop);
  const Spec& api = Named(file, "api");
  CHECK(api.policy.instances == 1);
  CHECK(Last(api, "LEVEL") == "own");
  CHECK(api.env_files == std::vector<std::string>{"/srv/app/.env"});
  CHECK(api.policy.listen.empty());
  CHECK_FALSE(api.profile.has_value());
}

TEST_CASE("a profile wins over the service key by key, its env files over env too") {
  const Oxfile file = With("production").Read(kShop);
  const Spec& api = Named(file, "api");
  CHECK(api.profile == "production");
  CHECK(api.policy.instances == 4);
  CHECK(api.policy.stop_timeout == Millis(1000));
  CHECK(api.policy.ready_by == ReadyBy::kHealth);
  CHECK(Last(api, "LEVEL") == "production");
  CHECK(Last(api, "HOST") == "db1");
  CHECK(Last(api, "TOKEN") == "x");
  CHECK(api.env_files == std::vector<std::string>{"/srv/app/.env.production"});
  // A service without that profile is as ever.
  CHECK_FALSE(Named(file, "worker").profile.has_value());
  CHECK(Named(file, "worker").policy.instances == 1);
}

TEST_CASE("the profile is remembered, and a service that gets it later joins the others") {
  Surroundings here = With(std::nullopt);
  here.options.remembered_profiles = {{"api", "staging"}};
  const Oxfile file =
      here.Read(std::string(kShop) + "[processes.worker.profiles.staging]\ninstances = 3\n");
  CHECK(Named(file, "api").profile == "staging");
  CHECK(Named(file, "api").policy.instances == 2);
  CHECK(Named(file, "worker").profile == "staging");
  CHECK(Named(file, "worker").policy.instances == 3);
}

TEST_CASE("services that differ in their profile keep it, and a new one has none") {
  Surroundings here = With(std::nullopt);
  here.options.remembered_profiles = {{"api", "staging"}, {"worker", "production"}};
  const Oxfile file = here.Read(std::string(kShop) +
                                "[processes.worker.profiles.production]\ninstances = 3\n"
                                "[processes.mail]\ncommand = "
                                "\"mail\"\n[processes.mail.profiles.production]\ninstances = 9\n");
  CHECK(Named(file, "api").policy.instances == 2);
  CHECK(Named(file, "worker").policy.instances == 3);
  CHECK(Named(file, "mail").policy.instances == 1);
}

TEST_CASE("an empty --env means none, and that is remembered too") {
  Surroundings here = With("");
  here.options.remembered_profiles = {{"api", "staging"}};
  const Oxfile file = here.Read(kShop);
  CHECK(Named(file, "api").profile == "");
  CHECK(Named(file, "api").policy.instances == 1);
  here.options.profile.reset();
  here.options.remembered_profiles = {{"api", ""}, {"worker", "staging"}};
  const Oxfile later =
      here.Read(std::string(kShop) + "[processes.worker.profiles.staging]\ninstances = 2\n");
  CHECK(Named(later, "api").profile == "");
  CHECK(Named(later, "api").policy.instances == 1);
}

TEST_CASE("[defaults] have profiles as well, below what a service says itself") {
  const std::string file = R"([defaults]
stop_timeout_ms = 1000
nice = 1
[defaults.profiles.production]
stop_timeout_ms = 9000
nice = 9
[processes.api]
command = "server"
nice = 5
)";
  const Spec api = With("production").ReadOne(file);
  CHECK(api.policy.stop_timeout == Millis(9000));
  CHECK(api.nice == 5);
  CHECK(api.profile == "production");
  CHECK(With(std::nullopt).ReadOne(file).policy.stop_timeout == Millis(1000));
}

TEST_CASE("a profile that nobody has is an error at the profiles that there are") {
  CHECK(With("prodction").Errors(kShop) ==
        "8:16: processes.api.profiles: there is no profile \"prodction\"; did you mean --env "
        "production?");
  CHECK(With("x").Errors(kShop) ==
        "8:16: processes.api.profiles: there is no profile \"x\"; write --env with one of: "
        "production, staging");
  CHECK(With("x").Errors(Api("")) ==
        " has no profile, and --env asks for \"x\"; add "
        "[processes.NAME.profiles.x], or leave --env out");
}

TEST_CASE("a remembered profile that has gone from the file is an error, not a silence") {
  Surroundings here = With(std::nullopt);
  here.options.remembered_profiles = {{"api", "canary"}};
  CHECK(here.Errors(kShop) ==
        "1:12: processes.api: runs with --env canary, and has no such profile any more; put it "
        "back, or say --env NAME, or --env '' for none");
}

TEST_CASE("mistakes in a profile that does not count are found all the same") {
  const Surroundings here;
  CHECK(
      here.Errors(Api("[processes.api.profiles.production]\nstop_timout_ms = 5\ninstances = "
                      "\"two\"\n[processes.api.profiles.production.health_check]\nendpont = 1")) ==
      "4:1: processes.api.profiles.production.stop_timout_ms: unknown key; did you mean "
      "\"stop_timeout_ms\"?\n"
      "5:13: processes.api.profiles.production.instances: found the string \"two\", expected 1 "
      "to 1000 or \"max\"\n"
      "7:1: processes.api.profiles.production.health_check.endpont: unknown key; did you mean "
      "\"endpoint\"?");
  CHECK(here.Errors(Api("profiles = \"production\"")) ==
        "3:12: processes.api.profiles: found the string \"production\", expected a table: "
        "[processes.api.profiles.production]");
  CHECK(here.Errors(Api("[processes.api.profiles]\nproduction = 3")) ==
        "4:14: processes.api.profiles.production: found the number 3, expected a table: "
        "[processes.api.profiles.production] with any key of processes.api");
  CHECK(here.Errors(Api("[processes.api.profiles.a.profiles.b]\nnice = 1")) ==
        "3:1: processes.api.profiles.a.profiles: a profile has no profiles of its own");
  CHECK(here.Errors(Api("[processes.api.profiles.\"A=1\"]\nnice = 1"))
            .contains("not the name of a profile"));
}

TEST_CASE("what a profile says wrongly with other keys is said of the profile") {
  const std::string file =
      Api("port_base = 80\n[processes.api.profiles.production]\nreload_strategy = \"start-first\"\n"
          "[processes.api.profiles.production.env]\nURL = \"${NOPE}\"");
  CHECK(With(std::nullopt).Read(file).specs.size() == 1);
  CHECK(With("production").Errors(file) ==
        "5:19: processes.api.profiles.production.reload_strategy: with port_base the old instance "
        "must free its port before the new one starts; write \"stop-first\", or remove one of the "
        "two\n"
        "7:7: processes.api.profiles.production.env.URL: ${NOPE} is not set before this; add it to "
        "env, or to an env_file");
}

TEST_CASE("an env file of a profile that does not count need not be there") {
  Surroundings here = With(std::nullopt);
  here.files.erase("/srv/app/.env.production");
  CHECK(here.Read(kShop).specs.size() == 2);
  here.options.profile = "production";
  CHECK(here.Errors(kShop).contains("there is no \"/srv/app/.env.production\""));
}

}  // namespace
}  // namespace oxherd
