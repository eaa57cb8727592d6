// Webhooks and on_event_cmd: what the daemon runs on its own account.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "base/sha256.h"
#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("webhook");

constexpr std::string_view kSecret = "it's a secret";

std::string Payload(const std::string& name) {
  std::ifstream file(std::string(OXHERD_SOURCE_DIR) + "/tests/control/payloads/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// As GitHub delivers it.
std::string GithubHeaders(std::string_view event, std::string_view body, std::string_view secret) {
  return "User-Agent: GitHub-Hookshot/8e03811\r\nContent-Type: application/json\r\n"
         "X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958\r\nX-GitHub-Event: " +
         std::string(event) +
         "\r\nX-Hub-Signature-256: sha256=" + Hexadecimal(HmacSha256(secret, body)) + "\r\n";
}

HttpAnswer Push(const Home& home, std::string_view secret = kSecret) {
  const std::string body = Payload("github_push.json");
  return HttpPost(home.port(), "/webhook/api", GithubHeaders("push", body, secret), body);
}

constexpr std::string_view kFile = R"(
[supervisor]
http = "127.0.0.1:@port"
[processes.api]
command = ["/bin/sh", "-c", "echo up; exec sleep 1000"]
ready_log = "up"
env = { HOOK_SECRET = "it's a secret", COLOUR = "blue" }
[processes.api.webhook]
secret = "${HOOK_SECRET}"
branch = "main"
on_push = ["echo pulled $OXHERD_PUSH_BRANCH $OXHERD_PUSH_COMMIT in $COLOUR", "echo built"]
)";

TEST_CASE("a push to the branch runs the commands, with their output in the service's log") {
  const Home home;
  home.Oxfile(kFile);
  home.MustRun({"start"});
  CHECK(Push(home).status == 202);
  home.WaitForLog("api/0",
                  "up\npulled main 0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c in blue\nbuilt\n");
  CHECK_SAYS(home.Run({"status", "api"}).out, "webhook: push to main at 0d1a26e");

  const std::string ping = Payload("github_ping.json");
  const HttpAnswer pong =
      HttpPost(home.port(), "/webhook/api", GithubHeaders("ping", ping, kSecret), ping);
  CHECK(pong.status == 200);
  CHECK(pong.body == "pong\n");
  CHECK(
      HttpPost(home.port(), "/webhook/nobody", GithubHeaders("ping", ping, kSecret), ping).status ==
      404);
  CHECK(HttpGet(home.port(), "/webhook/api").status == 405);
}

TEST_CASE("a wrong signature gets 401 and a line in the log, a body over 1 MiB gets 413") {
  const Home home;
  home.Oxfile(kFile);
  home.MustRun({"start"});
  CHECK(Push(home, "another secret").status == 401);
  CHECK(HttpPost(home.port(), "/webhook/api", "X-GitHub-Event: push\r\n", "{}").status == 401);
  CHECK(HttpPost(home.port(), "/webhook/api", "X-Gitlab-Event: Push Hook\r\nX-Gitlab-Token: x\r\n",
                 "{}")
            .status == 401);
  CHECK_SAYS(home.Run({"daemon", "logs"}).out,
             "api webhook: refused: the signature is wrong: its sender has another secret");
  const std::string large(1024 * 1024 + 1, ' ');
  CHECK(
      HttpPost(home.port(), "/webhook/api", GithubHeaders("push", large, kSecret), large).status ==
      413);
  // Elsewhere there is no need for so much.
  CHECK(HttpPost(home.port(), "/api/stop/api", "", std::string(5000, ' ')).status == 413);
  CHECK(home.Log("api/0") == "up\n");
}

TEST_CASE("GitLab's token counts as well; another branch, a tag and a deletion are left alone") {
  const Home home;
  home.Oxfile(kFile);
  home.MustRun({"start"});
  const std::string gitlab =
      "Content-Type: application/json\r\nX-Gitlab-Event: Push Hook\r\nX-Gitlab-Token: it's a secret"
      "\r\n";
  const HttpAnswer other =
      HttpPost(home.port(), "/webhook/api", gitlab, Payload("gitlab_push.json"));
  CHECK(other.status == 200);
  CHECK(other.body == "left alone: it follows main\n");
  const std::string tag = R"({"ref":"refs/tags/v1","after":"0d1a26e6"})";
  CHECK(HttpPost(home.port(), "/webhook/api", GithubHeaders("push", tag, kSecret), tag).body ==
        "left alone: a tag was pushed\n");
  CHECK(home.Log("api/0") == "up\n");
  const std::string main = R"({"object_kind":"push","ref":"refs/heads/main","after":"abc"})";
  CHECK(HttpPost(home.port(), "/webhook/api", gitlab, main).status == 202);
  home.WaitForLog("api/0", "up\npulled main abc in blue\nbuilt\n");
}

// A listener of its own, and two commands.
std::string WithCommands(const std::string& first, const std::string& second) {
  return R"(
[processes.api]
command = ["/bin/sh", "-c", "echo up; exec sleep 1000"]
ready_log = "up"
[processes.api.webhook]
port = @port
secret = "it's a secret"
on_push = [")" +
         first + "\", \"" + second + "\"]\n";
}

TEST_CASE("the first command that fails is the last; one push waits, and only one") {
  const Home home;
  home.Oxfile(WithCommands("echo begun; until test -e go; do sleep 0.02; done; test ! -e fail",
                           "echo second"));
  home.MustRun({"start"});
  CHECK(Push(home).body == "begun\n");
  home.WaitForLog("api/0", "up\nbegun\n");
  CHECK(Push(home).body == "waits for its turn\n");
  CHECK(Push(home).body == "waits, in the place of an earlier one\n");
  home.Write("go", "");
  home.WaitForLog("api/0", "up\nbegun\nsecond\nbegun\nsecond\n");
  home.Write("fail", "");
  WaitUntil("both are over",
            [&] { return CountOf(home.Run({"daemon", "logs"}).out, "is done") == 2; });
  CHECK(Push(home).body == "begun\n");
  WaitUntil("it has failed",
            [&] { return Contains(home.Run({"daemon", "logs"}).out, "left out commands=1"); });
  CHECK(home.Log("api/0") == "up\nbegun\nsecond\nbegun\nsecond\nbegun\n");
}

TEST_CASE(
    "a push that runs and one that waits when the daemon is killed are done by the next one") {
  const Home home;
  home.Oxfile(WithCommands("echo begun $OXHERD_PUSH_COMMIT; until test -e go; do sleep 0.02; done",
                           "echo done"));
  home.MustRun({"start"});
  const auto push = [&](const std::string& commit) {
    const std::string body = R"({"ref":"refs/heads/main","after":")" + commit + "\"}";
    return HttpPost(home.port(), "/", GithubHeaders("push", body, kSecret), body);
  };
  CHECK(push("abc").status == 202);
  home.WaitForLog("api/0", "up\nbegun abc\n");
  CHECK(push("def").body == "waits for its turn\n");
  // What was answered is on the disk.
  const auto pushes = [&] {
    std::ifstream file(home.state_folder() / "pushes.json");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  };
  const std::string kept = pushes();
  CHECK_SAYS(kept, "abc");
  CHECK_SAYS(kept, "def");

  home.KillDaemon();
  home.WaitForLog("api/0", "up\nbegun abc\nbegun abc\n");
  SUBCASE("killed") {}
  SUBCASE("and once more, by people who mean it") {
    home.MustRun({"daemon", "stop"});
    home.MustRun({"start"});
    home.WaitForLog("api/0", "begun abc\nup\nbegun abc\n");
  }
  home.Write("go", "");
  home.WaitForLog("api/0", "begun abc\ndone\nbegun def\ndone\n");
  WaitUntil("nothing is kept", [&] { return Contains(pushes(), "[]"); });
  home.KillDaemon();
  home.MustRun({"list"});
  CHECK(CountOf(home.Log("api/0"), "begun def") == 1);
}

TEST_CASE("a push can deploy: oxherd reload in on_push reloads the service") {
  const Home home;
  home.Oxfile(R"(
[processes.api]
command = ["/bin/sh", "-c", "echo version $(cat version); exec sleep 1000"]
min_uptime_ms = 20
ready_log = "version"
[processes.api.webhook]
port = @port
secret = "it's a secret"
on_push = ["echo 2 > version", ")" +
              ProgramFolder().string() +
              R"(/oxherd reload api"]
)");
  home.Write("version", "1\n");
  home.MustRun({"start"});
  CHECK(Push(home).status == 202);
  WaitUntil("generation 2 is there", [&] { return home.Get("api/0").generation == 2; });
  home.WaitForState("api/0", "ready");
  CHECK_SAYS(home.Log("api/0"), "version 2\n");
}

// ---- on_event_cmd ----

TEST_CASE("on_event_cmd hears what goes wrong and that it is well again, as JSON and variables") {
  const Home home;
  home.Oxfile(R"(
[supervisor]
on_event_cmd = "cat >> events; echo $OXHERD_EVENT $OXHERD_EVENT_SUBJECT >> heard"
on_events = ["failed", "recovered"]
[processes.api]
command = ["/bin/sh", "-c", "test -e good || exit 3; echo up; exec sleep 1000"]
ready_log = "up"
max_restarts = 2
failed_retry_secs = "300ms"
)");
  CHECK(home.Run({"start"}).exit_code == 1);
  home.WaitForLine("heard", "failed api/0");
  const Json event = Json::parse(home.Lines("events").at(0));
  CHECK(event.at("event") == "failed");
  CHECK(event.at("service") == "api");
  CHECK(event.at("instance") == 0);
  home.Write("good", "");
  home.WaitForLine("heard", "recovered api/0");
  for (const std::string& line : home.Lines("heard")) CHECK_FALSE(line.starts_with("unhealthy"));
}

TEST_CASE("a reload that is rolled back is an event; a command that fails is said once") {
  const Home home;
  constexpr std::string_view kBroken = R"(
[supervisor]
on_event_cmd = "echo $OXHERD_EVENT >> heard; exit 4"
[processes.api]
command = ["/bin/sh", "-c", "@what"]
min_uptime_ms = 20
)";
  const auto with = [&](const std::string& what) {
    std::string text(kBroken);
    text.replace(text.find("@what"), 5, what);
    home.Oxfile(text);
  };
  with("exec sleep 1000");
  home.MustRun({"start"});
  with("exit 1");
  CHECK(home.Run({"reload"}).exit_code == 1);
  CHECK(home.Run({"reload"}).exit_code == 1);
  WaitUntil("both are heard", [&] { return home.Lines("heard").size() == 2; });
  CHECK(home.Lines("heard").at(0) == "rolled_back");
  WaitUntil("it is said",
            [&] { return Contains(home.Run({"daemon", "logs"}).out, "on_event_cmd: exit 4"); });
  CHECK(CountOf(home.Run({"daemon", "logs"}).out, "on_event_cmd: ") == 1);
}

TEST_CASE("a command that hangs holds up nothing but the events after it") {
  const Home home;
  home.Oxfile(R"(
[supervisor]
on_event_cmd = "echo $OXHERD_EVENT >> heard; exec sleep 1000"
[processes.bad]
command = "exit 1"
max_restarts = 1
[processes.good]
command = "exec sleep 1000"
min_uptime_ms = 20
)");
  CHECK(home.Run({"start"}).exit_code == 1);
  home.WaitForLine("heard", "failed");
  CHECK(home.Get("good/0").state == "ready");
  home.MustRun({"restart", "good"});
}

}  // namespace
}  // namespace oxherd::e2e
