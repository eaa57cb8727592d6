#include <array>
#include <set>
#include <string>
#include <utility>

#include "config/keys.h"
#include "doctest/doctest.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

constexpr std::array kSections = {Section::kTop,       Section::kProcess, Section::kHealthCheck,
                                  Section::kLimits,    Section::kLogs,    Section::kLogging,
                                  Section::kSupervisor};

TEST_CASE("every key says what it takes and means, and aliases name a key of their table") {
  for (const Section section : kSections) {
    std::set<std::string_view> names;
    for (const Key& key : KeysOf(section)) {
      CAPTURE(std::string(key.name));
      CHECK(names.insert(key.name).second);
      CHECK_FALSE(key.type.empty());
      CHECK_FALSE(key.meaning.empty());
      if (!key.same_as.empty()) CHECK(FindKey(section, key.same_as) != nullptr);
    }
  }
}

TEST_CASE("every key that is not supported yet says so, and no supported one does") {
  const std::array<std::pair<Section, std::string>, 7> tables = {
      {{Section::kProcess, "processes.api"},
       {Section::kHealthCheck, "processes.api.health_check"},
       {Section::kLimits, "processes.api.limits"},
       {Section::kLogs, "processes.api.logs"},
       {Section::kLogging, "logging"},
       {Section::kWebhook, "processes.api.webhook"},
       {Section::kSupervisor, "supervisor"}}};
  for (const auto& [section, table] : tables) {
    for (const Key& key : KeysOf(section)) {
      const std::string file =
          "[processes.api]\n[" + table + "]\n" + std::string(key.name) + " = 1\n";
      const std::string text =
          section == Section::kProcess ? file.substr(file.find('\n') + 1) : file;
      CAPTURE(text);
      const std::string errors = Surroundings().Errors(text);
      const bool refused =
          errors.contains("\"" + std::string(key.name) + "\" is not supported yet");
      CHECK(refused == (key.read == nullptr));
      CHECK_FALSE(errors.contains("unknown key"));
    }
  }
}

TEST_CASE("rotated logs are compressed unless the Oxfile says otherwise") {
  const Surroundings here;
  CHECK(here.Read(Api("logs = { max_files = 2 }")).specs.at(0).logs.compress);
  CHECK_FALSE(here.Read(Api("logs = { compress = false }")).specs.at(0).logs.compress);
  const std::string logging = "[logging]\ncompress = false\n";
  CHECK_FALSE(here.Read(logging + Api("")).specs.at(0).logs.compress);
  CHECK(here.Read(logging + Api("logs = { compress = true }")).specs.at(0).logs.compress);
}

TEST_CASE("limits may be enforced") {
  const Surroundings here;
  CHECK(here.Read(Api("limits = { enforce = true }")).specs.at(0).limits.enforce);
}

TEST_CASE("where output goes is one of four places, and not two at once") {
  const Surroundings here;
  const auto place = [&](const std::string& keys) {
    return here.Read(Api(keys)).specs.at(0).logs.to;
  };
  CHECK(place("") == LogTo::kFile);
  CHECK(place("log_to = \"file\"") == LogTo::kFile);
  CHECK(place("log_to = \"journal\"") == LogTo::kJournal);
  CHECK(place("log_to = \"stdout\"") == LogTo::kStdout);
  CHECK(place("log_to = \"none\"") == LogTo::kNone);
  CHECK(here.Errors(Api("log_to = \"syslog\"")).contains("\"journal\""));
  CHECK(here.Errors(Api("log_to = \"journal\"\nerror_log_file = \"x.log\""))
            .contains("a file is named, and log_to says that output goes elsewhere; keep one"));
  // What all have in common gives way to what a service says itself.
  const std::string all = "[defaults]\nlog_to = \"journal\"\n";
  CHECK(here.Read(all + Api("")).specs.at(0).logs.to == LogTo::kJournal);
  CHECK(here.Read(all + Api("log_file = \"x.log\"")).specs.at(0).logs.to == LogTo::kFile);
}

TEST_CASE("who may read logs is said for all of them: by a mode, a group or both") {
  const Surroundings here;
  const auto logs = [&](const std::string& keys) {
    return here.Read("[logging]\n" + keys + "\n" + Api("")).specs.at(0).logs;
  };
  CHECK(logs("").mode == 0600);
  CHECK(logs("mode = \"0644\"").mode == 0644);
  CHECK(logs("group = \"adm\"").mode == 0640);
  CHECK(logs("group = \"adm\"").group == "adm");
  CHECK(logs("group = 4\nmode = \"0600\"").mode == 0600);
  for (const char* mode : {"0660", "0666", "0700", "0440", "0000"}) {
    CHECK_MESSAGE(here.Errors("[logging]\nmode = \"" + std::string(mode) + "\"\n" + Api(""))
                      .contains("others can be let read, not write"),
                  mode);
  }
  CHECK(here.Errors("[logging]\nmode = 640\n" + Api("")).contains("octal string such as \"0640\""));
  CHECK(here.Errors("[logging]\ngroup = \"a b\"\n" + Api("")).contains("is not a name"));
}

TEST_CASE("control_group is a group's name or number, or nobody's") {
  const Surroundings here;
  const auto group = [&](const std::string& keys) {
    return here.Read("[supervisor]\n" + keys + "\n" + Api("")).supervisor.control_group;
  };
  CHECK(group("") == std::nullopt);
  CHECK(group("control_group = \"\"") == "");
  CHECK(group("control_group = \"ops\"") == "ops");
  CHECK(group("control_group = 27") == "27");
  CHECK(here.Errors("[supervisor]\ncontrol_group = \"a:b\"\n" + Api("")).contains("is not a name"));
}

TEST_CASE("a webhook has a secret and something to do, and listens where it says") {
  const Surroundings here;
  const std::string good =
      "[processes.api.webhook]\nsecret = \"x\"\non_push = [\"git pull\", \"make | tee log\"]\n";
  const Webhook webhook = here.ReadOne(Api(good + "port = 9000\nbranch = \"main\"")).webhook;
  CHECK(webhook.enabled);
  CHECK(webhook.address == "127.0.0.1:9000");
  CHECK(webhook.branch == "main");
  REQUIRE(webhook.on_push.size() == 2);
  CHECK(webhook.on_push[0].argv == std::vector<std::string>{"git", "pull"});
  CHECK(webhook.on_push[1].through_shell);
  CHECK(here.ReadOne(Api(good + "port = \"0.0.0.0:9000\"")).webhook.address == "0.0.0.0:9000");
  CHECK_FALSE(here.ReadOne(Api("[processes.api.webhook]\nenabled = false")).webhook.enabled);
  CHECK_FALSE(here.ReadOne(Api("")).webhook.enabled);
  CHECK(here.Errors(Api("[processes.api.webhook]\non_push = \"make\"")).contains("obey anybody"));
  CHECK(here.Errors(Api("[processes.api.webhook]\nsecret = \"x\"")).contains("nothing to do"));
  CHECK(here.Errors(Api(good + "port = \"example.com:80\"")).contains("not a port"));
  CHECK(here.Errors(Api("[processes.api.webhook]\nsecret = \"${NOWHERE}\"\non_push = \"x\""))
            .contains("${NOWHERE} is not set"));
  CHECK(here.Errors(Api(good + "brunch = \"x\"")).contains("did you mean \"branch\"?"));
}

TEST_CASE("on_event_cmd and on_events are read, and an unknown event is refused") {
  const Surroundings here;
  const SupervisorSettings settings =
      here.Read("[supervisor]\non_event_cmd = \"cat > x\"\non_events = [\"oom\"]\n" + Api(""))
          .supervisor;
  REQUIRE(settings.on_event_cmd);
  CHECK(settings.on_event_cmd->through_shell);
  CHECK(settings.on_events == std::vector<std::string>{"oom"});
  CHECK(settings.file.ends_with(".toml"));
  CHECK(here.Errors("[supervisor]\non_events = [\"crash\"]\n" + Api(""))
            .contains("no event; they are"));
  CHECK(here.Errors("[supervisor]\non_events = []\n" + Api("")).contains("names no event"));
}

TEST_CASE("limits on memory and CPU are read by each of their names") {
  const Surroundings here;
  const Limits limits =
      here.Read(Api("limits = { memory_mb = 5, cpu_percent = 250, cpu_window_secs = 10 }"))
          .specs.at(0)
          .limits;
  CHECK(limits.memory_bytes == 5UL * 1024 * 1024);
  CHECK(limits.cpu_permille == 2500);
  CHECK(limits.cpu_window == Millis(10000));
  const Limits other =
      here.Read(Api("resource_limits = { max_memory_mb = 5, max_cpu_percent = 0.5 }"))
          .specs.at(0)
          .limits;
  CHECK(other.memory_bytes == limits.memory_bytes);
  CHECK(other.cpu_permille == 5);
  CHECK(here.Errors(Api("limits = { memory_mb = 0 }")).contains("1 to 1048576"));
  CHECK(here.Errors(Api("limits = { memory_mb = \"1G\" }")).contains("expected"));
  CHECK(here.Errors(Api("limits = { cpu_percent = 0 }")).contains("write 0.1 to 100000"));
  CHECK(here.Errors(Api("limits = { cpu_percent = nan }")).contains("write 0.1 to 100000"));
  CHECK(here.Errors(Api("limits = { cpu_percent = \"80%\" }")).contains("a number"));
  CHECK(here.Errors(Api("limits = { cpu_window_secs = 0 }")).contains("out of range"));
}

TEST_CASE("the HTTP listener is at loopback unless an address is written; a token is long enough") {
  const Surroundings here;
  const auto settings = [&](const std::string& lines) {
    return here.Read("[supervisor]\n" + lines + "\n" + Api("")).supervisor;
  };
  CHECK_FALSE(settings("").http);
  CHECK(settings("http = 9615").http == "127.0.0.1:9615");
  CHECK(settings("http = \"[::1]:9615\"").http == "[::1]:9615");
  CHECK(settings("http = \"\"").http == "");
  CHECK(settings("http_token = \"0123456789abcdef\"").http_token == "0123456789abcdef");
  for (const char* wrong :
       {"http = 70000", "http = \"example.com:80\"", "http = \"127.0.0.1\"", "http = true",
        "http_token = \"short\"", "http_token = \"0123456789 abcdef\""}) {
    CAPTURE(wrong);
    CHECK(here.Errors("[supervisor]\n" + std::string(wrong) + "\n" + Api("")).starts_with("2:"));
  }
}

TEST_CASE("an unknown key is explained by the nearest, by its home, or by what others call it") {
  CHECK(ExplainUnknownKey(Section::kProcess, "stop_timout_ms", "processes.api") ==
        "unknown key; did you mean \"stop_timeout_ms\"?");
  CHECK(ExplainUnknownKey(Section::kProcess, "kill_timeout", "processes.api") ==
        "unknown key; did you mean \"stop_timeout_ms\"?");
  CHECK(ExplainUnknownKey(Section::kProcess, "endpoint", "processes.api") ==
        "unknown key here; it belongs in [processes.api.health_check]");
  CHECK(ExplainUnknownKey(Section::kHealthCheck, "env", "processes.api.health_check") ==
        "unknown key here; it belongs in [processes.api]");
  CHECK(ExplainUnknownKey(Section::kTop, "command", "") ==
        "unknown key here; it belongs in [processes.NAME]");
  CHECK(ExplainUnknownKey(Section::kTop, "services", "") ==
        "unknown key; did you mean \"processes\"?");
  CHECK(ExplainUnknownKey(Section::kLogging, "max_fles", "logging") ==
        "unknown key; did you mean \"max_files\"?");
  CHECK(ExplainUnknownKey(Section::kProcess, "xyzzy", "processes.api") ==
        "unknown key \"xyzzy\"; remove it");
}

TEST_CASE("numbers out of range name the range, in the unit of the key") {
  const Surroundings here;
  CHECK(here.Errors(Api("instances = 1001")) ==
        "3:13: processes.api.instances: 1001 is out of range; write 1 to 1000");
  CHECK(here.Errors(Api("stop_timeout_ms = 86400001")) ==
        "3:19: processes.api.stop_timeout_ms: 86400001 is out of range; write 0 to 86400000 (1d)");
  CHECK(here.Errors(Api("stop_timeout_ms = \"2d\"")) ==
        "3:19: processes.api.stop_timeout_ms: \"2d\" is out of range; write 0 to 86400000 (1d)");
  CHECK(
      here.Errors(Api("health_check = { tcp = 80, interval_secs = 0 }")) ==
      "3:44: processes.api.health_check.interval_secs: 0 is out of range; write \"100ms\" to 86400 "
      "(1d)");
  CHECK(here.Errors(Api("restart_window_secs = 9223372036854775807")) ==
        "3:23: processes.api.restart_window_secs: 9223372036854775807 is out of range; write 1 to "
        "604800 (7d)");
  CHECK(here.Errors(Api("nice = 20")) ==
        "3:8: processes.api.nice: 20 is out of range; write -20 to 19");
  CHECK(here.Errors(Api("port_base = 0")) ==
        "3:13: processes.api.port_base: 0 is out of range; write 1 to 65535");
}

TEST_CASE("a wrong type says what was found and what is expected") {
  const Surroundings here;
  CHECK(here.Errors(Api("instances = 1.5")) ==
        "3:13: processes.api.instances: found the number 1.5, expected a whole number from 1 to "
        "1000");
  CHECK(here.Errors(Api("autostart = \"yes\"")) ==
        "3:13: processes.api.autostart: found the string \"yes\", expected true or false");
  CHECK(
      here.Errors(Api("stop_timeout_ms = 1.5")) ==
      "3:19: processes.api.stop_timeout_ms: found the number 1.5, expected milliseconds (10000) or "
      "a string (\"10s\")");
  CHECK(
      here.Errors(Api("env_file = 5")) ==
      "3:12: processes.api.env_file: found the number 5, expected a path, an array of paths, or { "
      "path = \".env\", optional = true }");
  CHECK(here.Errors(Api("restart = 1979-05-27")) ==
        "3:11: processes.api.restart: found a date or time, expected \"always\", \"on-failure\" or "
        "\"never\"");
  CHECK(here.Errors(Api("health_check = \"http://x/\"")) ==
        "3:16: processes.api.health_check: found the string \"http://x/\", expected a table: "
        "[processes.api.health_check] with endpoint = \"http://127.0.0.1:3000/health\"");
}

TEST_CASE("names of services are checked") {
  const Surroundings here;
  const auto error = [&here](const std::string& name) {
    return here.Errors("[processes.\"" + name + "\"]\ncommand = \"x\"\n");
  };
  CHECK(error("all").contains("\"all\" means every service"));
  CHECK(error("123").contains("a name is not only digits"));
  CHECK(error("-a").contains("does not begin with"));
  CHECK(error(".a").contains("does not begin with"));
  CHECK(error("a b").contains("letters, digits"));
  CHECK(error("").contains("an empty name"));
  CHECK(error(std::string(65, 'a')).contains("at most 64 characters"));
  CHECK(here.Parse("[processes.\"a.b-c_9\"]\ncommand = \"x\"\n").has_value());
  CHECK(here.Parse("[processes." + std::string(64, 'a') + "]\ncommand = \"x\"\n").has_value());
}

}  // namespace
}  // namespace oxherd
