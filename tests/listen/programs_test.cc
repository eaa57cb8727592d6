// Real, unmodified servers under the preload library: two at a time on one port, each answers its
// own probe, is served, and ends; its socket stays.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "os/listeners.h"
#include "os/traffic_facts.h"
#include "tests/listen/hand_over.h"

namespace oxherd::keeper {
namespace {

struct Case {
  HandOver::Program first;
  HandOver::Program second;
  std::string path = "/";
};

// `keeps`: whether the program's end leaves its socket in LISTEN (it may shut it down itself).
enum class AtItsEnd { kKeepsListening, kMayShut };
void Check(HandOver& over, const Case& one, AtItsEnd at_its_end = AtItsEnd::kKeepsListening) {
  const os::Fd first = over.StartAndTake(0, one.first);
  CHECK(over.AskAsClient(one.path).find("instance-0") != std::string::npos);
  const os::Fd second = over.StartAndTake(1, one.second);
  CHECK(over.AskInstance(1, one.path).find("instance-1") != std::string::npos);
  CHECK(over.AskInstance(0, one.path).find("instance-0") != std::string::npos);
  CHECK(os::ListeningInodes(over.port()).value().size() == 2);
  for (int i = 0; i < 20; ++i) {
    CHECK(over.AskAsClient(one.path).find("instance-0") != std::string::npos);
  }
  over.Stop(0);
  if (at_its_end == AtItsEnd::kKeepsListening) {
    CHECK(os::IsListening(over.held(0)).value());
    CHECK(over.AskInstance(1, one.path).find("instance-1") != std::string::npos);
  }
  over.Stop(1);
}

Case Same(const HandOver::Program& program) { return {.first = program, .second = program}; }

const std::string kNodeServer =
    "require('http').createServer((request, answer) => answer.end(process.env.NAME))"
    ".listen(+process.env.PORT, process.env.HOST || undefined);\n";

HandOver::Program NodeProgram(HandOver& over, std::vector<std::string> words) {
  HandOver::Program program;
  program.words = std::move(words);
  program.environment = {"PORT=" + over.port_text()};
  return program;
}

TEST_CASE("node: an HTTP server, on all addresses") {
  if (!Find("node")) return;
  HandOver over("[::]");
  Check(over, Same(NodeProgram(over, {"node", over.Write("server.js", kNodeServer)})));
}

TEST_CASE("node: an HTTP server on 127.0.0.1") {
  if (!Find("node")) return;
  HandOver over;
  HandOver::Program program = NodeProgram(over, {"node", over.Write("server.js", kNodeServer)});
  program.environment.emplace_back("HOST=127.0.0.1");
  Check(over, Same(program));
}

TEST_CASE("npm start, which runs node through a shell") {
  if (!Find("npm")) return;
  HandOver over("[::]");
  over.Write("server.js", kNodeServer);
  over.Write("package.json",
             R"({"name":"x","version":"1.0.0","scripts":{"start":"node server.js"}})");
  HandOver::Program program = NodeProgram(over, {"npm", "start"});
  program.directory = over.run().home();
  program.environment.emplace_back("NO_UPDATE_NOTIFIER=1");
  Check(over, Same(program));
}

TEST_CASE("sh -c with more than one command") {
  if (!Find("node")) return;
  HandOver over("[::]");
  const std::string script = over.Write("server.js", kNodeServer);
  Check(over, Same(NodeProgram(over, {"sh", "-c", "true; node " + script + "; true"})));
}

TEST_CASE("a node cluster, whose workers are served by one listener") {
  if (!Find("node")) return;
  HandOver over("[::]");
  const std::string script = over.Write(
      "cluster.js",
      "const cluster = require('cluster');\n"
      "if (cluster.isPrimary) { cluster.fork(); cluster.fork(); process.on('SIGTERM', () => "
      "process.exit(0)); } else " +
          kNodeServer);
  Check(over, Same(NodeProgram(over, {"node", script})), AtItsEnd::kMayShut);
}

TEST_CASE("python3 -m http.server") {
  if (!Find("python3")) return;
  HandOver over;
  Case one;
  for (int number = 0; number < 2; ++number) {
    const std::string folder = "files-" + std::to_string(number);
    ::mkdir((over.run().home() + "/" + folder).c_str(), 0755);
    over.Write(folder + "/who", "instance-" + std::to_string(number));
    HandOver::Program& program = number == 0 ? one.first : one.second;
    program.words = {"python3", "-m",        "http.server", over.port_text(),
                     "--bind",  "127.0.0.1", "--directory", over.run().home() + "/" + folder};
  }
  one.path = "/who";
  Check(over, one);
}

TEST_CASE("a Python asyncio server") {
  if (!Find("python3")) return;
  HandOver over;
  const std::string script = over.Write("server.py", R"(
import asyncio, os, sys
async def answer(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    name = os.environ["NAME"].encode()
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name))
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
)");
  HandOver::Program program;
  program.words = {"python3", script, over.port_text()};
  Check(over, Same(program));
}

const std::string kWsgiApp = R"(
import os
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ["NAME"].encode()]
)";

TEST_CASE("gunicorn with two workers") {
  if (!Find("gunicorn")) return;
  HandOver over;
  over.Write("service.py", kWsgiApp);
  HandOver::Program program;
  program.words = {"gunicorn",   "--workers", "2", "--bind", "127.0.0.1:" + over.port_text(),
                   "service:app"};
  program.directory = over.run().home();
  Check(over, Same(program));
}

TEST_CASE("aiohttp") {
  HandOver over;
  const std::string script = over.Write("server.py", R"(
import os, sys
try:
    from aiohttp import web
except ImportError:
    sys.exit(77)
async def who(request): return web.Response(text=os.environ["NAME"])
app = web.Application()
app.add_routes([web.get("/", who)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), reuse_port=True)
)");
  HandOver::Program program;
  program.words = {"/usr/bin/python3", script, over.port_text()};
  if (::system("/usr/bin/python3 -c 'import aiohttp' 2>/dev/null") != 0) {
    MESSAGE("skipped: aiohttp is not installed");
    return;
  }
  Check(over, Same(program));
}

Case Nginx(HandOver& over, const std::string& listen_options) {
  return {.first = NginxProgram(over, 0, listen_options),
          .second = NginxProgram(over, 1, listen_options)};
}

TEST_CASE("nginx with two workers") {
  if (!Find("nginx")) return;
  HandOver over;
  Check(over, Nginx(over, ""));
}

TEST_CASE("nginx with reuseport and deferred, which it sets on the socket itself") {
  if (!Find("nginx")) return;
  HandOver over;
  Check(over, Nginx(over, " reuseport deferred"));
}

TEST_CASE("haproxy") {
  if (!Find("haproxy")) return;
  HandOver over;
  const std::string config = over.Write(
      "haproxy.cfg",
      "defaults\n mode http\n timeout client 5s\n timeout connect 5s\n timeout server 5s\n"
      "frontend f\n bind 127.0.0.1:" +
          over.port_text() +
          "\n http-request return status 200 content-type text/plain lf-string %[env(NAME)]\n");
  HandOver::Program program;
  program.words = {"haproxy", "-db", "-f", config};
  Check(over, Same(program), AtItsEnd::kMayShut);
}

TEST_CASE("lighttpd") {
  if (!Find("lighttpd")) return;
  HandOver over;
  Case one;
  one.path = "/who";
  for (int number = 0; number < 2; ++number) {
    const std::string name = "instance-" + std::to_string(number);
    const std::string folder = over.run().home() + "/" + name;
    ::mkdir(folder.c_str(), 0755);
    over.Write(name + "/who", name);
    const std::string config =
        over.Write(name + "/lighttpd.conf",
                   "server.document-root = \"" + folder +
                       "\"\nserver.bind = \"127.0.0.1\"\nserver.port = " + over.port_text() + "\n");
    HandOver::Program& program = number == 0 ? one.first : one.second;
    program.words = {"lighttpd", "-D", "-f", config};
  }
  Check(over, one, AtItsEnd::kMayShut);
}

}  // namespace
}  // namespace oxherd::keeper
