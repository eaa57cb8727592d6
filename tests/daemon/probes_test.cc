#include "tests/daemon/probes_support.h"

namespace oxherd::test {
namespace {

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_CASE("a server that answers 200 is good, and was asked for what the endpoint says") {
  std::string asked;
  const Server server([&](int connection, const std::string& request) {
    asked = request;
    (void)!send(connection, kOk.data(), kOk.size(), MSG_NOSIGNAL);
  });
  Asker asker;
  const auto answer = asker.AskHttp(server.url("/health?deep=1"));
  CHECK(answer.outcome == ProbeOutcome::kGood);
  CHECK(answer.text == "200");
  CHECK(answer.took > Duration::zero());
  CHECK(answer.took < Seconds(5));
  CHECK(asked.starts_with("GET /health?deep=1 HTTP/1.1\r\n"));
  CHECK(asked.find("\r\nHost: 127.0.0.1:" + std::to_string(server.port()) + "\r\n") !=
        std::string::npos);
}

TEST_CASE("503 is bad, redirects are not followed, 101 is no health") {
  Asker asker;
  for (const char* status : {"503 Service Unavailable", "302 Found", "101 Switching Protocols"}) {
    const Server server(std::string("HTTP/1.1 ") + status + "\r\nLocation: /fine\r\n\r\n");
    const auto answer = asker.AskHttp(server.url());
    CHECK(answer.outcome == ProbeOutcome::kBad);
    CHECK(answer.text == std::string(status).substr(0, 3));
  }
}

TEST_CASE("nobody there is bad at once, and says so") {
  std::uint16_t port = 0;
  {
    port = Listener().port;
  }
  Asker asker;
  const auto answer = asker.AskHttp("http://127.0.0.1:" + std::to_string(port) + "/");
  CHECK(answer.outcome == ProbeOutcome::kBad);
  CHECK(answer.text == "Connection refused");
  CHECK(answer.took < Seconds(2));
}

TEST_CASE("one time-out counts from the connection to the last byte") {
  Asker asker;
  SUBCASE("a server that never answers") {
    const Server server([](int connection, const std::string&) { WaitForClose(connection); });
    const auto answer = asker.AskHttp(server.url(), Millis(300));
    CHECK(answer.outcome == ProbeOutcome::kBad);
    CHECK(answer.text == "no answer in 300 ms");
    CHECK(answer.took >= Millis(300));
    CHECK(answer.took < Millis(600));
  }
  SUBCASE("one that sends a byte now and then") {
    const Server server([](int connection, const std::string&) {
      const std::string slow = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
      for (std::size_t i = 0; i < 1000; ++i) {
        const char byte = i < slow.size() ? slow[i] : 'x';
        if (send(connection, &byte, 1, MSG_NOSIGNAL) != 1) return;
        pollfd closed{.fd = connection, .events = POLLIN, .revents = 0};
        if (poll(&closed, 1, 10) == 1) return;
      }
    });
    const auto answer = asker.AskHttp(server.url(), Millis(300));
    CHECK(answer.outcome == ProbeOutcome::kBad);
    CHECK(answer.took < Millis(600));
  }
  SUBCASE("one whose connection is never accepted") {
    const Listener listener;
    const auto answer =
        asker.AskHttp("http://127.0.0.1:" + std::to_string(listener.port) + "/", Millis(300));
    CHECK(answer.outcome == ProbeOutcome::kBad);
  }
}

TEST_CASE("a body of ten gigabytes is not read, endless headers are not either") {
  std::size_t sent = 0;
  const auto flood = [&](const std::string& head, const std::string& rest) {
    sent = 0;
    return [&sent, head, rest](int connection, const std::string&) {
      (void)!send(connection, head.data(), head.size(), MSG_NOSIGNAL);
      for (ssize_t count = 1; count > 0;) {
        count = send(connection, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (count > 0) sent += static_cast<std::size_t>(count);
      }
    };
  };
  Asker asker;
  SUBCASE("body") {
    const Server server(
        flood("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", std::string(65536, 'x')));
    const auto answer = asker.AskHttp(server.url());
    CHECK(answer.outcome == ProbeOutcome::kGood);
    CHECK(answer.took < Seconds(4));
  }
  SUBCASE("headers") {
    const Server server(flood("HTTP/1.1 200 OK\r\n", "X-Endless: yes\r\n"));
    const auto answer = asker.AskHttp(server.url());
    CHECK(answer.outcome == ProbeOutcome::kBad);
    CHECK(answer.text == "endless headers");
  }
}

TEST_CASE("for tcp an accepted connection is enough") {
  const Listener listener;
  Asker asker;
  const auto answer = asker.Ask(
      Asker::Question(HealthCheck::Kind::kTcp, "127.0.0.1:" + std::to_string(listener.port)));
  CHECK(answer.outcome == ProbeOutcome::kGood);
}

TEST_CASE("localhost is 127.0.0.1, then ::1") {
  Asker asker;
  std::uint16_t port = 0;
  const auto ask = [&] {
    return asker.Ask(Asker::Question(HealthCheck::Kind::kTcp, "localhost:" + std::to_string(port)));
  };
  {
    const Listener ipv4;
    port = ipv4.port;
    CHECK(ask().outcome == ProbeOutcome::kGood);
  }
  CHECK(ask().outcome == ProbeOutcome::kBad);
  const Listener ipv6(Listener::On::kIpv6);
  port = ipv6.port;
  CHECK(ask().outcome == ProbeOutcome::kGood);
  CHECK(asker.off_loop == 0);
}

TEST_CASE("another name is looked up off the loop, once for all who ask at the same time") {
  const std::string name = "no-such-host.invalid";  // RFC 6761: never resolves
  Asker asker;
  ProbeQuestion first = Asker::Question(HealthCheck::Kind::kTcp, name + ":80", Seconds(20));
  ProbeQuestion second = first;
  second.token = Token(2);
  asker.probes().Ask(first);
  asker.probes().Ask(second);
  const auto answer = asker.Wait();
  CHECK(answer.outcome == ProbeOutcome::kBad);
  CHECK(answer.text.starts_with(name + ": "));
  CHECK(asker.Wait().outcome == ProbeOutcome::kBad);
  CHECK(asker.off_loop == 1);
  CHECK(asker.Ask(first).outcome == ProbeOutcome::kBad);  // remembered
  CHECK(asker.off_loop == 1);
}

TEST_CASE("an instance is never asked twice at the same time") {
  const Server server([](int connection, const std::string&) { WaitForClose(connection); });
  Asker asker;
  const auto question = Asker::Question(HealthCheck::Kind::kHttp, server.url(), Millis(200));
  asker.probes().Ask(question);
  asker.probes().Ask(question);
  CHECK(asker.answers.empty());  // never from within Ask()
  CHECK(asker.Wait().outcome == ProbeOutcome::kVoid);
  CHECK(asker.Wait().outcome == ProbeOutcome::kBad);
}

TEST_CASE("a cancelled question is not answered") {
  const Server silent([](int connection, const std::string&) { WaitForClose(connection); });
  const Server server(kOk);
  Asker asker;
  asker.probes().Ask(Asker::Question(HealthCheck::Kind::kHttp, silent.url(), Millis(50)));
  asker.probes().Cancel(Token(1));
  // The next one is asked, and answered, as if it had been the first.
  CHECK(asker.AskHttp(server.url()).outcome == ProbeOutcome::kGood);
  CHECK(asker.answers.empty());
}

TEST_CASE("a time-out on a loop that did not run proves nothing") {
  const Server server([](int connection, const std::string&) { WaitForClose(connection); });
  Asker asker;
  asker.probes().Ask(Asker::Question(HealthCheck::Kind::kHttp, server.url(), Millis(200)));
  poll(nullptr, 0, 800);  // the daemon stands still
  CHECK(asker.Wait().outcome == ProbeOutcome::kVoid);
}

TEST_CASE("an answer that came while the loop did not run counts") {
  const Server server(kOk);
  Asker asker;
  asker.probes().Ask(Asker::Question(HealthCheck::Kind::kTcp,
                                     "127.0.0.1:" + std::to_string(server.port()), Millis(200)));
  poll(nullptr, 0, 800);
  CHECK(asker.Wait().outcome == ProbeOutcome::kGood);
}

TEST_CASE("a target that cannot be read is bad, and says why") {
  Asker asker;
  const auto answer = asker.AskHttp("http://127.0.0.1:99999/");
  CHECK(answer.outcome == ProbeOutcome::kBad);
  CHECK(answer.text.find("99999") != std::string::npos);
}

// ---- Commands. ----

TEST_CASE("a check command is good if it exits 0") {
  Asker asker;
  const auto question = Asker::Question(HealthCheck::Kind::kCommand, "");
  const auto ended = [&](ExitStatus status) {
    asker.probes().Ask(question);
    asker.probes().OnCheckEnded(Token(100), status);
    return asker.Wait();
  };
  CHECK(ended(ExitStatus::Code(0)).outcome == ProbeOutcome::kGood);
  const auto failed = ended(ExitStatus::Code(3));
  CHECK(failed.outcome == ProbeOutcome::kBad);
  CHECK(failed.text == "exit 3");
  CHECK(ended(ExitStatus::Signal(SIGSEGV)).outcome == ProbeOutcome::kBad);
  CHECK(asker.spawned.size() == 3);
  CHECK(asker.spawned[0].check == Token(100));
  CHECK(asker.killed.empty());
}

TEST_CASE("a check command that takes too long is bad, and its tree is killed") {
  Asker asker;
  const auto answer = asker.Ask(Asker::Question(HealthCheck::Kind::kCommand, "", Millis(100)));
  CHECK(answer.outcome == ProbeOutcome::kBad);
  CHECK(asker.killed == std::vector{Token(100)});
  asker.probes().OnCheckEnded(Token(100), ExitStatus::Signal(SIGKILL));  // comes late, says nothing
  asker.loop.Poll();
  CHECK(asker.answers.empty());
}

TEST_CASE("a check command that cannot be started is bad, and says why") {
  Asker asker;
  asker.probes().Ask(Asker::Question(HealthCheck::Kind::kCommand, ""));
  asker.probes().OnCheckNotStarted(Token(100), "exec: No such file or directory");
  const auto answer = asker.Wait();
  CHECK(answer.outcome == ProbeOutcome::kBad);
  CHECK(answer.text == "exec: No such file or directory");
}

TEST_CASE("cancelling kills the check command that runs") {
  Asker asker;
  asker.probes().Ask(Asker::Question(HealthCheck::Kind::kCommand, ""));
  asker.probes().Cancel(Token(1));
  CHECK(asker.killed == std::vector{Token(100)});
  asker.probes().OnCheckEnded(Token(100), ExitStatus::Signal(SIGKILL));
  asker.loop.Poll();
  CHECK(asker.answers.empty());
}

// ---- Bound to the instance. ----

TEST_CASE("readiness needs a socket of the asked instance") {
  const Listener listener;  // of this process
  Asker asker;
  CHECK(asker.AskReadiness(listener.port).outcome == ProbeOutcome::kGood);

  const Process other([&] { close(listener.socket.get()); });
  asker.live[0].pid = other.pid();
  asker.probes().Cancel(Token(1));
  const auto answer = asker.AskReadiness(listener.port);
  CHECK(answer.outcome == ProbeOutcome::kForeign);
  CHECK(!answer.other.is_set());
  CHECK(answer.text == "port " + std::to_string(listener.port) + " is answered by another process");
}

TEST_CASE("health does not ask whose socket it is") {
  const Server server(kOk);
  const Process other([] {});
  Asker asker;
  asker.live[0].pid = other.pid();
  CHECK(asker.AskHttp(server.url()).outcome == ProbeOutcome::kGood);
  CHECK(asker.looked_at_live == 0);
}

TEST_CASE("an old generation that answers for the new one is named") {
  const Listener listener;
  const Process new_one([&] { close(listener.socket.get()); });
  Asker asker;
  asker.live[0].pid = new_one.pid();
  asker.live.push_back({.token = Token(2),
                        .instance = {"api", 0},
                        .generation = Generation(7),
                        .pid = Pid(getpid()),
                        .cgroup = {}});
  const auto answer = asker.AskReadiness(listener.port);
  CHECK(answer.outcome == ProbeOutcome::kForeign);
  CHECK(answer.other == Generation(7));
  CHECK(answer.other_pid == Pid(getpid()));
}

TEST_CASE("the socket of a child of the main process is the instance's") {
  const Listener reserved(Listener::On::kIpv4, 0, true);
  const std::uint16_t port = reserved.port;
  shutdown(reserved.socket.get(), SHUT_RDWR);  // keeps the port, does not listen
  auto ready = std::move(*os::MakePipe(os::PipeReading::kBlocks));
  const Process launcher([&] {  // as npm does: the server is a child
    close(reserved.socket.get());
    if (fork() == 0) {
      const Listener listener(Listener::On::kIpv4, port, true);
      (void)!write(ready.write_end.get(), "r", 1);
      for (;;) pause();
    }
  });
  char byte = 0;
  REQUIRE(read(ready.read_end.get(), &byte, 1) == 1);
  Asker asker;
  asker.live[0].pid = launcher.pid();
  CHECK(asker.AskReadiness(port).outcome == ProbeOutcome::kGood);
}

TEST_CASE("a port that two generations share (SO_REUSEPORT) proves nothing for either") {
  const Listener listener(Listener::On::kIpv4, 0, true);
  const Process other([&] {
    close(listener.socket.get());
    static const Listener kOwn(Listener::On::kIpv4, listener.port, true);
  });
  Asker asker;
  asker.live.push_back({.token = Token(2),
                        .instance = {"api", 0},
                        .generation = Generation(7),
                        .pid = other.pid(),
                        .cgroup = {}});
  const auto answer = asker.AskReadiness(listener.port);
  CHECK(answer.outcome == ProbeOutcome::kForeign);
  CHECK(answer.other == Generation(7));
}

TEST_CASE("once proved, a token is not looked up again; the next token is") {
  const Listener listener;
  Asker asker;
  CHECK(asker.AskReadiness(listener.port).outcome == ProbeOutcome::kGood);
  CHECK(asker.AskReadiness(listener.port).outcome == ProbeOutcome::kGood);
  CHECK(asker.looked_at_live == 1);
  asker.probes().Cancel(Token(1));
  CHECK(asker.AskReadiness(listener.port).outcome == ProbeOutcome::kGood);
  CHECK(asker.looked_at_live == 2);
}

}  // namespace
}  // namespace oxherd::test
