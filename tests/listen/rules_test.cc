// The rules of the preload library, one by one, with a program that does what it is told.
#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <csignal>

#include "os/listeners.h"
#include "os/traffic_facts.h"
#include "tests/listen/hand_over.h"

namespace oxherd::keeper {
namespace {

const std::string kSteps = OXHERD_BINARY_DIR "/tests/listen/listen_steps";

HandOver::Program Steps(const HandOver& over, std::vector<std::string> words) {
  HandOver::Program program;
  program.words = {kSteps, over.port_text()};
  program.words.insert(program.words.end(), words.begin(), words.end());
  return program;
}

TEST_CASE(
    "bind puts the held socket in the place of the program's own, and listen keeps its backlog") {
  HandOver over;
  const os::Fd out = over.StartAndTake(
      0, Steps(over, {"socket", "bind:127.0.0.1", "report", "listen", "report", "answer"}));
  const std::string bound = ReadLine(out.get());
  CHECK(bound.starts_with("listening=1 nonblock=0 cloexec=0 keepalive=0 nodelay=0 defer=0 "));
  CHECK(ReadLine(out.get()) == bound);  // the backlog is as before
  CHECK_FALSE(bound.ends_with("backlog=5"));
  CHECK(over.AskAsClient().ends_with("instance-0"));
  CHECK(ReadLine(out.get()) == "done");
  CHECK(os::ListeningInodes(over.port()).value().size() == 2);
  CHECK(os::IsListening(over.held(0)).value());
}

TEST_CASE("what the program set on its own socket is on the held one, set or clear") {
  HandOver over;
  const int on = 1;
  REQUIRE(::setsockopt(over.held(1), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0);
  const os::Fd first =
      over.StartAndTake(0, Steps(over, {"socket", "nonblock", "cloexec", "keepalive", "nodelay",
                                        "defer", "bind:127.0.0.1", "report"}));
  CHECK(ReadLine(first.get())
            .starts_with("listening=1 nonblock=1 cloexec=1 keepalive=1 nodelay=1 defer=1 "));
  const os::Fd second = over.StartAndTake(1, Steps(over, {"socket", "bind:127.0.0.1", "report"}));
  CHECK(ReadLine(second.get())
            .starts_with("listening=1 nonblock=0 cloexec=0 keepalive=0 nodelay=0 defer=0 "));
}

TEST_CASE("an epoll registration from before bind tells of clients after it") {
  HandOver over;
  const os::Fd out = over.StartAndTake(
      0, Steps(over, {"socket", "epoll", "bind:127.0.0.1", "listen", "answer-by-epoll"}));
  CHECK(over.AskAsClient().ends_with("instance-0"));
  CHECK(ReadLine(out.get()) == "epoll data=4242 events=1");
  CHECK(ReadLine(out.get()) == "done");
}

TEST_CASE("a duplicate from before bind accepts clients after it") {
  HandOver over;
  const os::Fd out = over.StartAndTake(
      0, Steps(over, {"socket", "dup", "bind:127.0.0.1", "listen", "answer-by-dup"}));
  CHECK(over.AskAsClient().ends_with("instance-0"));
  CHECK(ReadLine(out.get()) == "done");
}

TEST_CASE("threads and forked children bind like anybody, and again after a close") {
  HandOver over;
  const os::Fd out = over.StartAndTake(
      0, Steps(over, {"socket", "bind-in-thread", "listen", "answer", "answer-in-child", "close",
                      "socket", "reuseport", "bind:0.0.0.0", "listen", "answer"}));
  for (int i = 0; i < 3; ++i) CHECK(over.AskAsClient().ends_with("instance-0"));
  CHECK(ReadLine(out.get()) == "done");
}

TEST_CASE(
    "disconnecting, leaving the group and programs for the group do nothing to a held socket") {
  HandOver over;
  const os::Fd out = over.StartAndTake(
      0, Steps(over, {"socket", "bind:127.0.0.1", "listen", "unspec", "no-reuseport",
                      "attach-group", "attach-filter", "answer"}));
  CHECK(over.AskAsClient().ends_with("instance-0"));
  CHECK(ReadLine(out.get()) == "done");
  int reuses = 0;
  socklen_t size = sizeof reuses;
  REQUIRE(::getsockopt(over.held(0), SOL_SOCKET, SO_REUSEPORT, &reuses, &size) == 0);
  CHECK(reuses == 1);
}

TEST_CASE("shutdown is not swallowed: whoever holds the socket sees that it listens no more") {
  HandOver over;
  const os::Fd out = over.StartAndTake(
      0, Steps(over, {"socket", "bind:127.0.0.1", "listen", "shutdown", "answer"}));
  CHECK(ReadLine(out.get()) == "answer: errno 22");
  CHECK_FALSE(os::IsListening(over.held(0)).value());
  CHECK(os::IsListening(over.held(1)).value());
}

TEST_CASE("a socket that was shut down is not given again as if it listened") {
  HandOver over;
  os::ShutListening(over.held(0));
  const os::Fd out = over.Start(0, Steps(over, {"socket", "bind:127.0.0.1"}));
  CHECK(ReadLine(out.get()) == "bind:127.0.0.1: errno " + std::to_string(EADDRINUSE));
}

TEST_CASE("a bind to less than what is held, or of IPv4 to IPv6, fails, and the daemon hears why") {
  HandOver over("[::]");
  const os::Fd out = over.Start(0, Steps(over, {"socket", "bind:0.0.0.0", "close", "socket6",
                                                "bind:::1", "bind:::", "listen", "answer"}));
  const auto family = over.run().Await<ListenRefused>();
  CHECK(family.why == ListenMismatch::kFamily);
  CHECK(family.asked.family == TcpAddress::Family::kIpv4);
  CHECK(family.asked.port == over.port());
  const auto width = over.run().Await<ListenRefused>();
  CHECK(width.why == ListenMismatch::kWidth);
  CHECK(width.asked.host[15] == 1);
  const std::string why = ": errno " + std::to_string(EADDRNOTAVAIL);
  CHECK(ReadLine(out.get()) == "bind:0.0.0.0" + why);
  CHECK(ReadLine(out.get()) == "bind:::1" + why);
  CHECK(over.AskAsClient().ends_with("instance-0"));
  CHECK(ReadLine(out.get()) == "done");
}

TEST_CASE("an IPv6 program that asks for everything may have an IPv4 socket") {
  HandOver over("0.0.0.0");
  const os::Fd out = over.StartAndTake(0, Steps(over, {"socket6", "bind:::", "listen", "answer"}));
  CHECK(over.AskAsClient().ends_with("instance-0"));
  CHECK(ReadLine(out.get()) == "done");
}

TEST_CASE("a port that is not listed is the program's own, as ever") {
  HandOver over;
  HandOver::Program program;
  program.words = {kSteps, "0", "socket", "bind:127.0.0.1", "listen", "report"};
  const os::Fd out = over.Start(0, program);
  CHECK(ReadLine(out.get()) ==
        "listening=1 nonblock=0 cloexec=0 keepalive=0 nodelay=0 defer=0 backlog=5");
  CHECK(ReadLine(out.get()) == "done");
}

TEST_CASE("without the keeper's answer the inherited duplicate serves") {
  HandOver over;
  HandOver::Program program =
      Steps(over, {"socket", "bind:127.0.0.1", "listen", "report", "answer"});
  program.can_fetch = false;
  const os::Fd out = over.Start(0, program);
  CHECK(ReadLine(out.get()).starts_with("listening=1 "));
  CHECK(over.AskAsClient().ends_with("instance-0"));
  CHECK(ReadLine(out.get()) == "done");
}

TEST_CASE("without any descriptor inherited the keeper's answer serves") {
  HandOver over;
  HandOver::Program program =
      Steps(over, {"close-inherited", "socket", "bind:127.0.0.1", "listen", "answer"});
  program.inherits = HandOver::Inherits::kNothing;
  const os::Fd out = over.StartAndTake(0, program);
  CHECK(over.AskAsClient().ends_with("instance-0"));
  CHECK(ReadLine(out.get()) == "done");
}

TEST_CASE("with neither, the port is taken, as it is for a stranger") {
  HandOver over;
  HandOver::Program program = Steps(over, {"close-inherited", "socket", "bind:127.0.0.1"});
  program.can_fetch = false;
  const os::Fd out = over.Start(0, program);
  CHECK(ReadLine(out.get()) == "bind:127.0.0.1: errno " + std::to_string(EADDRINUSE));
}

TEST_CASE("a program whose environment is cleared does not take its socket") {
  HandOver over;
  HandOver::Program program;
  program.words = {"env", "-i", kSteps, over.port_text(), "socket", "bind:127.0.0.1"};
  const os::Fd out = over.Start(0, program);
  CHECK(ReadLine(out.get()) == "bind:127.0.0.1: errno " + std::to_string(EADDRINUSE));
  CHECK(over.run().Await<Gone>().token == Token(1));
  over.run().ExpectSilence(Millis(20));
}

TEST_CASE("an environment that makes no sense leaves the library asleep") {
  HandOver over;
  for (const char* listen : {"OXHERD_LISTEN=", "OXHERD_LISTEN=x", "OXHERD_LISTEN=70000=200",
                             "OXHERD_LISTEN=3000=", "OXHERD_LISTEN=3000=200,"}) {
    CAPTURE(listen);
    HandOver::Program program = Steps(over, {"socket", "bind:127.0.0.1"});
    program.words = {"env", listen};
    for (const std::string& word : Steps(over, {"socket", "bind:127.0.0.1"}).words) {
      program.words.push_back(word);
    }
    const os::Fd out = over.Start(0, program);
    CHECK(ReadLine(out.get()) == "bind:127.0.0.1: errno " + std::to_string(EADDRINUSE));
    over.run().Await<Gone>();
    over.run().Send(Ack{Token(1)});
    over.run().AskForWorld();
  }
}

TEST_CASE("the library shows four functions and prints nothing") {
  HandOver over;
  HandOver::Program program;
  program.words = {
      "sh", "-c", "nm -D --defined-only " OXHERD_BINARY_DIR "/liboxherd-listen.so | sed 's/.* //'"};
  if (!Find("nm")) return;
  const os::Fd out = over.Start(0, program);
  over.run().Await<Started>();  // until then the pipe has a writer here
  CHECK(ReadAll(out.get()) == "bind\nconnect\nlisten\nsetsockopt\n");
}

}  // namespace
}  // namespace oxherd::keeper
