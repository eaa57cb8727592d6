#include "control/wire.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace oxherd::control {
namespace {

Row FullRow() {
  Row row;
  row.id = 3;
  row.service = "api";
  row.slot = 1;
  row.state = "ready";
  row.wanted = false;
  row.pid = Pid(48213);
  row.generation = Generation(8);
  row.uptime_ms = 134'000;
  row.since_unix_ms = 1'763'787'817'120;
  row.restarts = 2;
  row.crashes = 1;
  row.crash_span_ms = 51'000;
  row.last_exit = ExitStatus{ExitStatus::Kind::kSignal, 9, true};
  row.reason = "killed by SIGKILL (out of memory) after 3.2 s";
  row.next_try_unix_ms = 1'763'787'900'000;
  row.waits_for = {"migrate"};
  row.cpu_percent = 1.5;
  row.memory_bytes = 62ULL * 1024 * 1024;
  row.health = Health{Health::Kind::kBad, 3, "503 Service Unavailable"};
  row.listen = {":3000"};
  row.replaced_unix_ms = 1'763'787'800'000;
  row.replaced_because = "312 MB in use, limit 256 MB";
  row.next_generation = Generation(9);
  row.next_state = "starting";
  row.out_log = "/logs/api/1.out.log";
  row.err_log = "/logs/api/1.err.log";
  return row;
}

Request FullRequest() {
  Request request;
  request.id = RequestId(0x0123456789abcdef);
  request.command = Command::kReload;
  request.client_version = "0.1.0";
  request.names = {"api", "worker/0"};
  request.oxfile = "/srv/shop/Oxfile.toml";
  request.oxfile_named = true;
  request.more_oxfiles = {"/srv/blog/Oxfile.toml"};
  request.profile = "production";
  request.folder = "/srv/shop";
  request.environment = {{"HOME", "/home/me"}, {"PATH", "/usr/bin:/bin"}};
  request.no_wait = true;
  request.dry_run = true;
  request.forced = true;
  request.only = true;
  request.with_dependents = true;
  request.update_env = true;
  request.keep_instances = true;
  request.parallel = 4;
  request.count = -2;
  request.relative = true;
  request.until = Until::kHealthy;
  request.timeout = Millis(60'000);
  request.to = Generation(7);
  request.signal = 12;
  request.reveal = true;
  return request;
}

Reply FullReply() {
  Reply reply;
  reply.command = Command::kReload;
  reply.code = ExitCode::kNotDone;
  reply.error = "api was rolled back";
  reply.errors = {"Oxfile.toml:3:1: …"};
  reply.daemon_version = "0.1.0";
  reply.ms = 412;
  reply.services = {ServiceResult{.name = "api",
                                  .outcome = Outcome::kRolledBack,
                                  .generation = Generation(8),
                                  .tried = Generation(9),
                                  .instances = 2,
                                  .ms = 400,
                                  .gap_ms = 12,
                                  .reason = "exited 1 after 84 ms, before it was ready",
                                  .failed_instance = "api/0",
                                  .log_tail = {"Error: Cannot find module './routes'"},
                                  .notes = {"worker depends on api and keeps running"}}};
  reply.plan = {PlanStep{.service = "api",
                         .kind = PlanStep::Kind::kLeftFile,
                         .instances = 2,
                         .differences = {"env.PORT"}}};
  reply.instances = {FullRow()};
  reply.environments = {
      {.service = "api",
       .folder = "/srv/shop",
       .run_as = RunAs{.user = "www", .group = "", .uid = 33, .gid = 33, .groups = {33, 4}},
       .variables = {{"MODE", "fast", false}, {"TOKEN", "", true}}}};
  reply.notes = {"a note"};
  return reply;
}

ServiceDetail FullDetail() {
  ServiceDetail detail;
  detail.name = "api";
  detail.type = "service";
  detail.wanted = false;
  detail.ready = true;
  detail.generation = Generation(8);
  detail.running_since_unix_ms = 1'763'787'817'120;
  detail.reloading = true;
  detail.last_reload = ReloadRecord{Generation(8), false, 1'763'787'817'120, "not ready in 30 s"};
  detail.differences = {"env.PORT"};
  detail.file_problem = "is gone";
  detail.command = "node server.js";
  detail.folder = "/srv/shop";
  detail.oxfile = "/srv/shop/Oxfile.toml";
  detail.line = 12;
  detail.env_files = {"/srv/shop/.env"};
  detail.depends_on = {"migrate"};
  detail.ready_by = "answers http://127.0.0.1:3000/health";
  detail.restart = "always";
  detail.stop = "SIGTERM";
  detail.instances = {FullRow()};
  detail.events = {{1'763'787'817'120, "ready in 412 ms"}};
  return detail;
}

template <typename Message>
Message ThroughWire(const Message& message) {
  const Result<FromDaemon> read = DecodeFromDaemon(EncodeLine(FromDaemon(message)));
  REQUIRE_MESSAGE(read.has_value(), read.error().message);
  REQUIRE(std::holds_alternative<Message>(*read));
  return std::get<Message>(*read);
}

std::string Refusal(std::string_view line) {
  const Result<FromClient> read = DecodeFromClient(line);
  return read ? "it was accepted" : read.error().message;
}

TEST_CASE("a request with every field set comes out of the wire as it went in") {
  const Result<FromClient> read = DecodeFromClient(EncodeLine(FromClient(FullRequest())));
  REQUIRE(read.has_value());
  CHECK(std::get<Request>(*read) == FullRequest());
}

TEST_CASE("an attach comes out of the wire as it went in") {
  const Attach attach{RequestId(std::numeric_limits<std::uint64_t>::max())};
  const Result<FromClient> read = DecodeFromClient(EncodeLine(FromClient(attach)));
  REQUIRE(read.has_value());
  CHECK(std::get<Attach>(*read) == attach);
}

TEST_CASE("what the daemon says comes out of the wire as it went in") {
  const Accepted accepted{RequestId(7), {"/srv/shop/Oxfile.toml"}, {"a note"}};
  CHECK(ThroughWire(accepted) == accepted);

  const Progress progress{
      action::Tell::Kind::kReady, "api", SlotIndex(1), Generation(8), "ready in 412 ms",
      "answers /health",          412,   true};
  CHECK(ThroughWire(progress) == progress);

  CHECK(ThroughWire(FullReply()) == FullReply());
  CHECK(ThroughWire(Reply{}) == Reply{});
}

TEST_CASE("a status and a daemon's status come out of the wire as they went in") {
  Reply reply;
  reply.command = Command::kStatus;
  reply.details = {FullDetail(), ServiceDetail{}};
  reply.daemon = DaemonDetail{.pid = Pid(12),
                              .keeper_pid = Pid(11),
                              .version = "0.1.0",
                              .socket = "/home/me/.local/state/oxherd/run/control.sock",
                              .state_folder = "/home/me/.local/state/oxherd",
                              .log_folder = "/home/me/.local/state/oxherd/logs",
                              .daemon_log = "/home/me/.local/state/oxherd/logs/daemon.log",
                              .uptime_ms = 5000,
                              .started_unix_ms = 1'763'787'817'120,
                              .daemon_number = 2,
                              .services = 3,
                              .instances = 5,
                              .ready = 4,
                              .warnings = {"state.json: no space left on device"}};
  CHECK(ThroughWire(reply) == reply);
}

TEST_CASE("every word of the wire is read back as what it stands for") {
  for (int i = 0; i <= static_cast<int>(Command::kDaemonStatus); ++i) {
    CHECK(CommandFromName(Name(static_cast<Command>(i))) == static_cast<Command>(i));
  }
  for (int i = 0; i <= static_cast<int>(action::Tell::Kind::kRunSkipped); ++i) {
    const auto kind = static_cast<action::Tell::Kind>(i);
    CHECK(KindFromName(KindName(kind)) == kind);
  }
  for (int i = static_cast<int>(Outcome::kStarted); i <= static_cast<int>(Outcome::kSkipped); ++i) {
    const auto outcome = static_cast<Outcome>(i);
    CHECK(OutcomeFromName(OutcomeName(outcome)) == outcome);
  }
  CHECK_FALSE(CommandFromName("unknown").has_value());
}

TEST_CASE("one message is one line, whatever its text holds") {
  Progress progress;
  progress.service = "api";
  progress.text = "a\nb\r\0c\xff\xfe";
  const std::string line = EncodeLine(FromDaemon(progress));
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(line.find('\xff') == std::string::npos);
  CHECK(DecodeFromDaemon(line).has_value());
}

TEST_CASE("--json shows what cli.md shows") {
  Reply reply;
  reply.command = Command::kReload;
  reply.code = ExitCode::kNotDone;
  reply.error = "api was rolled back";
  ServiceResult api;
  api.name = "api";
  api.outcome = Outcome::kRolledBack;
  api.generation = Generation(8);
  api.tried = Generation(9);
  api.instances = 2;
  api.ms = 84;
  api.reason = "exited 1 before ready";
  api.log_tail = {"…"};
  reply.services = {api};
  CHECK(
      EncodeForPeople(reply, "reload") ==
      R"({"v":1,"command":"reload","ok":false,"error":{"code":1,"message":"api was rolled back"},)"
      R"("ms":0,"services":[{"name":"api","result":"rolled_back","generation":8,"tried":9,)"
      R"("instances":2,"ms":84,"reason":"exited 1 before ready","log_tail":["…"]}]})"
      "\n");
}

TEST_CASE("a request of another version is refused, and the refusal says so") {
  CHECK(Refusal(R"({"v":2,"id":"0123456789abcdef","command":"ping"})").find("version") !=
        std::string::npos);
  CHECK(Refusal(R"({"id":"0123456789abcdef","command":"ping"})").find("version") !=
        std::string::npos);
}

TEST_CASE("a command that this daemon does not know is named in the refusal") {
  CHECK(Refusal(R"({"v":1,"id":"0123456789abcdef","command":"juggle"})") ==
        "this daemon knows no command \"juggle\"");
}

TEST_CASE("hostile lines are errors, and nothing worse") {
  const std::string ping = R"({"v":1,"id":"0123456789abcdef","command":"ping")";
  CHECK(DecodeFromClient(ping + "}").has_value());
  CHECK(Refusal("").starts_with("the message is no JSON object"));
  CHECK(Refusal("[1,2]").starts_with("the message is no JSON object"));
  CHECK(Refusal("\xff\xfe\x00").starts_with("the message is no JSON object"));
  CHECK(Refusal(ping).starts_with("the message is no JSON object"));
  CHECK(Refusal(ping + "} {}").starts_with("the message is no JSON object"));
  CHECK(Refusal(ping + R"(,"names":"api"})").find("\"names\" is no array") != std::string::npos);
  CHECK(Refusal(ping + R"(,"names":[1]})").find("no text") != std::string::npos);
  CHECK(Refusal(ping + R"(,"names":["a\u0000b"]})").find("NUL") != std::string::npos);
  CHECK(Refusal(ping + R"(,"oxfile":"Oxfile.toml"})").find("absolute") != std::string::npos);
  CHECK(Refusal(ping + R"(,"parallel":0})").find("zero") != std::string::npos);
  CHECK(Refusal(ping + R"(,"parallel":65536})").find("too large") != std::string::npos);
  CHECK(Refusal(ping + R"(,"parallel":-1})").find("too small") != std::string::npos);
  CHECK(Refusal(ping + R"(,"parallel":1e300})").find("whole number") != std::string::npos);
  CHECK(Refusal(ping + R"(,"timeout_ms":99999999999})").find("too large") != std::string::npos);
  CHECK(Refusal(ping + R"(,"until":"asleep"})").find("until") != std::string::npos);
  CHECK(Refusal(ping + R"(,"forced":"yes"})").find("forced") != std::string::npos);
  CHECK(Refusal(ping + R"(,"environment":{"A=B":"c"}})").find("no name") != std::string::npos);
  CHECK(Refusal(ping + R"(,"environment":[]})").find("no object") != std::string::npos);
  CHECK(Refusal(R"({"v":1,"id":"0000000000000000","command":"ping"})").find("\"id\"") !=
        std::string::npos);
  CHECK(Refusal(R"({"v":1,"attach":"x"})").find("\"attach\"") != std::string::npos);
  CHECK(Refusal(R"({"v":1,"attach":7})").find("\"attach\"") != std::string::npos);
}

TEST_CASE("nesting is bounded, and brackets inside text are no nesting") {
  const std::string deep(500'000, '[');
  CHECK(Refusal(deep).find("nested") != std::string::npos);
  CHECK(Refusal(R"({"v":1,"id":"0123456789abcdef","command":"ping","x":)" + deep + "}")
            .find("nested") != std::string::npos);
  CHECK(
      DecodeFromClient(
          R"({"v":1,"id":"0123456789abcdef","command":"ping","names":["\"[[[[[[[[[[[[[[[[[[[[["]})")
          .has_value());
}

TEST_CASE("a request longer than the limit is refused before it is parsed") {
  CHECK(Refusal(std::string(kMaxRequestLine + 1, ' ')).find("1 MiB") != std::string::npos);
}

TEST_CASE("fields that are not known are ignored, and null is as good as missing") {
  CHECK(DecodeFromClient(
            R"({"v":1,"id":"0123456789abcdef","command":"ping","later":{"a":[1]},"names":null})")
            .has_value());
}

TEST_CASE("an answer of nonsense is an error for the client") {
  for (const char* line :
       {"", "{}", "null", R"({"v":1})", R"({"v":1,"progress":[]})", R"({"v":1,"accepted":"zz"})",
        R"({"v":1,"ok":false,"error":{"code":77}})", R"({"v":1,"ok":true,"instances":[1]})",
        R"({"v":1,"ok":true,"instances":[{"since":"yesterday"}]})",
        R"({"v":1,"ok":true,"services":[{"result":"exploded"}]})", R"({"v":2,"ok":true})"}) {
    CAPTURE(line);
    CHECK_FALSE(DecodeFromDaemon(line).has_value());
  }
}

TEST_CASE("a progress of a kind that is not known is still progress") {
  const auto read = DecodeFromDaemon(
      R"({"v":1,"progress":{"service":"api","instance":0,"kind":"melted","text":"it melted"}})");
  REQUIRE(read.has_value());
  CHECK_FALSE(std::get<Progress>(*read).kind.has_value());
  CHECK(std::get<Progress>(*read).Subject() == "api/0");
}

TEST_CASE("an id is sixteen hexadecimal digits, and zero is none") {
  CHECK(IdText(RequestId(1)) == "0000000000000001");
  CHECK(IdFromText("ffffffffffffffff") == RequestId(std::numeric_limits<std::uint64_t>::max()));
  CHECK_FALSE(IdFromText("0000000000000000").has_value());
  CHECK_FALSE(IdFromText("FFFFFFFFFFFFFFFF").has_value());
  CHECK_FALSE(IdFromText("+00000000000001a").has_value());
  CHECK_FALSE(IdFromText("1").has_value());
}

}  // namespace
}  // namespace oxherd::control
