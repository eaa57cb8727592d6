// A port that is taken: each cause is provoked with real programs, told by a sentence of its own,
// and mended by doing what the sentence says.
#include <doctest/doctest.h>

#include <csignal>
#include <memory>

#include "tests/e2e/express.h"
#include "tests/e2e/home.h"
#include "tests/e2e/http.h"

namespace oxherd::e2e {
namespace {

constexpr const char* kServer = R"(
const http = require('http');
const serve = (port, host) =>
    http.createServer((_, answer) => answer.end('pid ' + process.pid)).listen({port, host});
serve(+process.argv[2], process.env.HOST);
if (process.argv[3]) serve(+process.argv[3], process.env.HOST);
)";

// One service with an unmodified server at a fixed port.
std::string Api(const std::string& more, const std::string& command = "node server.js @port") {
  const std::string uptime = more.contains("min_uptime") ? "" : "min_uptime_ms = 300\n";
  return "[processes.api]\ncommand = '" + command + "'\n" + uptime + more + "\n";
}

std::string PortText(const Home& home, int offset = 0) { return std::to_string(home.port(offset)); }

// A program that is none of ours and listens at home.port().
std::unique_ptr<Command> Stranger(const Home& home, const std::string& first_word = "") {
  const std::string program = Misbehave();
  std::vector<std::string> words = {program, "http", PortText(home), "status", "200"};
  if (!first_word.empty()) {
    words = {"/bin/bash", "-c",
             "exec -a '" + first_word + "' /bin/bash -c 'name=old-api pm_id=0 " + program +
                 " http " + PortText(home) + " status 200; true'"};
  }
  auto stranger = std::make_unique<Command>(
      Invocation{.words = words, .folder = home.folder(), .environment = {"PATH=/usr/bin:/bin"}});
  stranger->ReadUntil("listening on");
  return stranger;
}

pid_t ListenerIn(const Home& home) {
  for (const Process& process : ProcessesOf(home.folder())) {
    if (process.program == "misbehave") return process.pid;
  }
  return 0;
}

bool Answers(const Home& home, int offset = 0) {
  return HttpGet(home.port(offset), "/").status == 200;
}

TEST_SUITE_BEGIN("port");

TEST_CASE("a server on a fixed port is not reloaded start-first, and both mends work") {
  if (!HasNode()) return;
  const Home home;
  home.Write("server.js", kServer);
  home.Oxfile(Api("min_uptime_ms = 2000"));  // longer than Node takes to find its port taken
  home.MustRun({"start"});
  const pid_t old = home.Pid("api/0");
  const Outcome reloaded = home.Run({"reload"});
  CHECK(reloaded.exit_code == 1);
  CHECK_SAYS(reloaded.err, "before it was ready: port " + PortText(home) +
                               " is taken by gen 1, which runs until the new one is ready; write "
                               "listen = " +
                               PortText(home) + ", or reload_strategy = \"stop-first\"");
  CHECK_SAYS(reloaded.err, "generation 1 kept serving");
  CHECK(home.Pid("api/0") == old);
  CHECK(Answers(home));
  CHECK_SAYS(home.MustRun({"status", "api"}).out, "is taken by gen 1");

  SUBCASE("listen") {
    home.Oxfile(Api("listen = @port"));
    const Outcome once = home.MustRun({"reload"});
    CHECK_SAYS(once.out, "holds :" + PortText(home) + " itself: stopped first, this once");
    CHECK_SAYS(once.out, "none was ready for");
    const Outcome again = home.MustRun({"reload"});
    CHECK_SAYS(again.out, "no gap");
    CHECK(Answers(home));

    // And away again.
    home.Oxfile(Api(""));
    CHECK_SAYS(home.MustRun({"reload"}).out, "gives its sockets back: stopped first, this once");
    CHECK(Answers(home));
  }
  SUBCASE("stop-first") {
    home.Oxfile(Api("reload_strategy = \"stop-first\""));
    home.MustRun({"reload"});
    CHECK(home.Pid("api/0") != old);
    CHECK(Answers(home));
  }
}

TEST_CASE("where a server binds one address, the advice names that address") {
  if (!HasNode()) return;
  const Home home;
  home.Write("server.js", kServer);
  const std::string one_address = "\nenv = { HOST = \"127.0.0.1\" }";
  home.Oxfile(Api(one_address));
  home.MustRun({"start"});
  const Outcome reloaded = home.Run({"reload"});
  CHECK(reloaded.exit_code == 1);
  const std::string advice = "listen = \"127.0.0.1:" + PortText(home) + "\"";
  CHECK_SAYS(reloaded.err, advice);

  home.Oxfile(Api(advice + one_address));
  home.MustRun({"reload"});
  CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
  CHECK(Answers(home));
}

TEST_CASE("a new version that stays while the old one answers its probe has proved nothing") {
  if (!HasNode()) return;
  const Home home;
  home.Write("server.js",
             "process.on('uncaughtException', (error) => console.log('going on', error.code));"
             "setInterval(() => {}, 1000);" +
                 std::string(kServer));
  const std::string check =
      "health_check = { endpoint = \"http://127.0.0.1:@port/\", interval_secs = 1 }\n"
      "ready_timeout_ms = 1500";
  home.Oxfile(Api(check));
  home.MustRun({"start"});
  const Outcome reloaded = home.Run({"reload"});
  CHECK(reloaded.exit_code == 1);
  CHECK_SAYS(reloaded.err,
             "is answered by gen 1, which runs until the new one is ready; write "
             "listen = " +
                 PortText(home) + ", or reload_strategy = \"stop-first\"");

  home.Oxfile(Api("listen = @port\n" + check));
  home.MustRun({"reload"});
  CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
}

TEST_CASE("a stranger on the port is named with its command line, and how to end it") {
  const Home home;
  home.Oxfile(Api("max_restarts = 1", "@misbehave http @port status 200"));
  SUBCASE("a program that binds by itself") {}
  SUBCASE("a service with listen") {
    home.Oxfile(Api("max_restarts = 1\nlisten = \"127.0.0.1:@port\"",
                    "@misbehave http LISTEN_FDS status 200"));
  }
  const auto stranger = Stranger(home);
  const Outcome refused = home.Run({"start"});
  CHECK(refused.exit_code == 1);
  CHECK_SAYS(refused.err, "is taken by \"" + Misbehave());
  CHECK_SAYS(refused.err, "stop it (kill " + std::to_string(stranger->pid()) + ")");

  stranger->Signal(SIGTERM);
  stranger->Wait();
  home.MustRun({"start"});
  CHECK(Answers(home));
}

TEST_CASE("a process of PM2's on the port is to be ended with pm2 delete") {
  const Home home;
  home.Oxfile(Api("max_restarts = 1", "@misbehave http @port status 200"));
  const auto pm2 = Stranger(home, "PM2 v5.4.3: God Daemon (/root/.pm2)");
  const Outcome refused = home.Run({"start"});
  CHECK(refused.exit_code == 1);
  CHECK_SAYS(refused.err, "is taken by PM2's process old-api");
  CHECK_SAYS(refused.err, "pm2 delete old-api");

  kill(ListenerIn(home), SIGKILL);  // as pm2 delete does
  pm2->Wait();
  home.MustRun({"start"});
  CHECK(Answers(home));
}

TEST_CASE("several instances on one port are told of listen and of port_base") {
  if (!HasNode()) return;
  const Home home;
  home.Write("server.js", kServer);
  home.Oxfile(Api("instances = 2\nmax_restarts = 1\nmin_uptime_ms = 3000"));
  const Outcome refused = home.Run({"start"});
  CHECK(refused.exit_code == 1);
  CHECK_SAYS(refused.err, "; for several instances write listen = " + PortText(home) +
                              ", or port_base = " + PortText(home));
  SUBCASE("listen") {
    home.Oxfile(Api("instances = 2\nlisten = @port"));
    home.MustRun({"reload"});
    CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
  }
  SUBCASE("port_base") {
    home.Oxfile(Api("instances = 2\nport_base = @port", "sh -c \"node server.js $PORT\""));
    const Outcome reloaded = home.Run({"reload"});
    if (reloaded.exit_code != 0) {  // it was api/1 that had the port
      CHECK_SAYS(reloaded.err, "is taken by api/1 of gen 1, whose turn has not come");
      CHECK_SAYS(reloaded.err, "oxherd restart api stops all first");
      home.MustRun({"restart", "api"});
    }
    CHECK(Answers(home, 1));
  }
  CHECK(home.Get("api/0").state == "ready");
  CHECK(home.Get("api/1").state == "ready");
  CHECK(Answers(home));
}

TEST_CASE("two services on one port are told of each other") {
  const Home home;
  std::string holder;
  SUBCASE("the other one has bound it") {
    home.Oxfile("[processes.web]\ncommand = '@misbehave http @port status 200'\n");
    holder = "is taken by web/0 (pid ";
  }
  SUBCASE("it is held for the other one") {
    home.Oxfile(
        "[processes.web]\ncommand = '@misbehave http LISTEN_FDS status 200'\n"
        "listen = \"127.0.0.1:@port\"\n");
    holder = "is taken by listen of web";
  }
  home.MustRun({"start"});
  home.Write("other.toml", Api("max_restarts = 1", "@misbehave http @port status 200"));
  const Outcome refused = home.Run({"start", "other.toml"});
  CHECK(refused.exit_code == 1);
  CHECK_SAYS(refused.err, holder);
  CHECK_SAYS(refused.err, "give one of the two another port");

  home.Write("other.toml", Api("", "@misbehave http @port+1 status 200"));
  home.MustRun({"reload", "other.toml"});
  CHECK(Answers(home));
  CHECK(Answers(home, 1));
}

TEST_CASE("a further port of the program is added to listen, and taken away again") {
  if (!HasNode()) return;
  const Home home;
  home.Write("server.js", kServer);
  const std::string command = "node server.js @port @port+1";
  const std::string both = "listen = [" + PortText(home) + ", " + PortText(home, 1) + "]";
  home.Oxfile(Api("listen = @port", command));
  home.MustRun({"start"});
  const Outcome refused = home.Run({"reload"});
  CHECK(refused.exit_code == 1);
  CHECK_SAYS(refused.err, "port " + PortText(home, 1) +
                              " is taken by gen 1: it is a further port of the program, which "
                              "listen does not name; write " +
                              both);

  home.Oxfile(Api(both, command));
  CHECK_SAYS(home.MustRun({"reload"}).out,
             "holds :" + PortText(home, 1) + " itself: stopped first, this once");
  CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
  CHECK(Answers(home, 1));

  home.Oxfile(Api("listen = @port", command));
  const Outcome too_early = home.Run({"reload"});
  CHECK(too_early.exit_code == 1);
  CHECK_SAYS(too_early.err,
             "is taken by listen of the generation that runs; write it there again: " + both +
                 ", or change it with oxherd restart api");
  home.MustRun({"restart", "api"});
  CHECK(Answers(home, 1));
}

TEST_CASE("a server that binds an address that listen does not open is told which to write") {
  if (!HasNode()) return;
  for (const std::string host : {"127.0.0.1", "0.0.0.0"}) {
    CAPTURE(host);
    const Home home;
    home.Write("server.js", kServer);
    home.Oxfile(Api("listen = @port"));
    home.MustRun({"start"});
    const std::string env = "\nenv = { HOST = \"" + host + "\" }";
    home.Oxfile(Api("listen = @port" + env));
    const Outcome refused = home.Run({"reload"});
    CHECK(refused.exit_code == 1);
    CHECK_SAYS(refused.err, "binds " + host + ":" + PortText(home) + " (IPv4); write listen = [\"" +
                                host + ":" + PortText(home) + "\"]");
    CHECK(Answers(home));

    home.Oxfile(Api("listen = [\"" + host + ":@port\"]" + env));
    CHECK_SAYS(home.MustRun({"reload"}).out, "itself: stopped first, this once");
    CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
    CHECK(Answers(home));
  }
}

TEST_CASE("at the first start a server for IPv4 is given what it binds, or told what to write") {
  if (!HasNode()) return;
  const Home home;
  home.Write("server.js", kServer);
  home.Oxfile(Api("listen = @port\nenv = { HOST = \"0.0.0.0\" }"));
  CHECK_SAYS(home.MustRun({"start"}).out, "is opened for IPv4 alone");
  CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
  home.MustRun({"delete", "api"});

  home.Oxfile(Api("listen = @port\nenv = { HOST = \"127.0.0.1\" }"));
  const Outcome refused = home.Run({"start"});
  CHECK(refused.exit_code == 1);
  const std::string advice = "listen = [\"127.0.0.1:" + PortText(home) + "\"]";
  CHECK_SAYS(refused.err, "write " + advice);
  home.Oxfile(Api(advice + "\nenv = { HOST = \"127.0.0.1\" }"));
  home.MustRun({"reload"});
  CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
  CHECK(Answers(home));
}

struct NotHanded {
  std::string command;
  std::string why;
  std::string mended;
};
const std::vector<NotHanded>& AllNotHanded() {
  static const std::vector<NotHanded> kAll = {
      {.command = "env -i PATH=/usr/bin:/bin node server.js @port",
       .why = "the program was not handed its socket: something before it clears the environment; "
              "let it keep LD_PRELOAD and "
              "OXHERD_LISTEN*",
       .mended = "env -u HOME node server.js @port"},
      {.command = "@folder/sudo node server.js @port",
       .why = "sudo clears LD_PRELOAD and the program was not handed its socket; start it without "
              "sudo",
       .mended = "node server.js @port"},
      {.command = "@misbehave http @port status 200",
       .why = "the program is linked statically and cannot be handed its socket unasked; let it "
              "use the descriptors of LISTEN_FDS",
       .mended = "@misbehave http LISTEN_FDS status 200"},
  };
  return kAll;
}

TEST_CASE("a program that was not handed its socket is told why, by what it is") {
  if (!HasNode()) return;
  for (const NotHanded& each : AllNotHanded()) {
    CAPTURE(each.command);
    const Home home;
    home.Write("server.js", kServer);
    home.Write("sudo", "#!/bin/sh\nexec env -i PATH=/usr/bin:/bin \"$@\"\n");
    std::filesystem::permissions(home.folder() / "sudo", std::filesystem::perms::owner_all);
    home.Oxfile(Api("max_restarts = 1\nlisten = @port", each.command));
    const Outcome refused = home.Run({"start"});
    CHECK(refused.exit_code == 1);
    CHECK_SAYS(refused.err, "is taken by its own listen, as " + each.why);
    CHECK_SAYS(refused.err, "or give up listen for reload_strategy = \"stop-first\"");

    home.Oxfile(Api("listen = @port", each.mended));
    home.MustRun({"reload"});
    CHECK_SAYS(home.MustRun({"reload"}).out, "no gap");
    CHECK(Answers(home));

    home.Oxfile(Api("reload_strategy = \"stop-first\"", each.command));
    home.MustRun({"reload"});
    home.MustRun({"reload"});
    CHECK(Answers(home));
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
