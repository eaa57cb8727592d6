#include "cli/connection/exchange.h"

#include <doctest/doctest.h>

#include "control/wire.h"
#include "os/clock.h"
#include "tests/cli/fake_daemon.h"

namespace oxherd::cli {
namespace {

using control::Accepted;
using control::Attach;
using control::Command;
using control::ExitCode;
using control::FromDaemon;
using control::Progress;
using control::Reply;

control::Request StopRequest() {
  control::Request request;
  request.id = RequestId(77);
  request.command = Command::kStop;
  return request;
}

Progress Say(const char* text) {
  Progress progress;
  progress.service = "api";
  progress.text = text;
  return progress;
}

Reply Done() {
  Reply reply;
  reply.command = Command::kStop;
  return reply;
}

struct Heard {
  int accepted = 0;
  std::vector<std::string> progress;
  Reply reply;
};

Heard Talk(const Places& places, const control::Request& request, Millis patience) {
  Heard heard;
  auto connection = Connect(places);
  REQUIRE(connection.has_value());
  heard.reply = Run({.places = places,
                     .request = request,
                     .deadline = os::Now() + patience,
                     .on_message =
                         [&](const FromDaemon& message) {
                           if (std::holds_alternative<Accepted>(message)) ++heard.accepted;
                           if (const auto* progress = std::get_if<Progress>(&message)) {
                             heard.progress.push_back(progress->text);
                           }
                         }},
                    std::move(*connection));
  return heard;
}

TEST_CASE("a command is sent, its progress is heard, and its reply ends it") {
  const TestHome home;
  const FakeDaemon daemon(home.places(), [](FakeDaemon& self) {
    auto client = self.Accept();
    CHECK(client.ReadRequest() == StopRequest());
    client.Say(Accepted{RequestId(77), {}, {}});
    client.Say(Say("stopping"));
    client.Say(Done());
  });
  const Heard heard = Talk(home.places(), StopRequest(), Millis(10'000));
  CHECK(heard.reply == Done());
  CHECK(heard.accepted == 1);
  CHECK(heard.progress == std::vector<std::string>{"stopping"});
}

TEST_CASE("a daemon that dies in the middle is asked again under the same id") {
  const TestHome home;
  const FakeDaemon daemon(home.places(), [](FakeDaemon& self) {
    {
      auto client = self.Accept();
      client.ReadRequest();
      client.Say(Accepted{RequestId(77), {}, {}});
      client.Say(Say("stopping"));
    }
    auto client = self.Accept();
    const auto again = control::DecodeFromClient(client.ReadLine());
    REQUIRE(again.has_value());
    CHECK(std::get<Attach>(*again) == Attach{RequestId(77)});
    client.Say(Accepted{RequestId(77), {}, {}});
    client.Say(Say("stopped"));
    client.Say(Done());
  });
  const Heard heard = Talk(home.places(), StopRequest(), Millis(10'000));
  CHECK(heard.reply == Done());
  CHECK(heard.accepted == 1);  // told once
  CHECK(heard.progress == std::vector<std::string>{"stopping", "stopped"});
}

TEST_CASE("a request that perhaps never arrived is sent once more, under the same id") {
  const TestHome home;
  const FakeDaemon daemon(home.places(), [](FakeDaemon& self) {
    self.Accept();  // and gone
    auto client = self.Accept();
    CHECK(client.ReadRequest() == StopRequest());
    client.Say(Done());
  });
  CHECK(Talk(home.places(), StopRequest(), Millis(10'000)).reply == Done());
}

TEST_CASE("half a line and then death is not taken for an answer") {
  const TestHome home;
  const FakeDaemon daemon(home.places(), [](FakeDaemon& self) {
    {
      auto client = self.Accept();
      client.ReadRequest();
      client.SayBytes(R"({"v":1,"ok":tr)");
    }
    auto client = self.Accept();
    client.ReadRequest();
    client.Say(Done());
  });
  CHECK(Talk(home.places(), StopRequest(), Millis(10'000)).reply == Done());
}

TEST_CASE("when the deadline passes it is said that the command goes on") {
  const TestHome home;
  const FakeDaemon daemon(home.places(), [](FakeDaemon& self) {
    auto client = self.Accept();
    client.ReadRequest();
    client.ReadLine();  // until the client has gone
  });
  const Reply reply = Talk(home.places(), StopRequest(), Millis(50)).reply;
  CHECK(reply.code == ExitCode::kLost);
  CHECK(reply.error.find("it goes on") != std::string::npos);
}

TEST_CASE("when nobody serves the home any more the connection is lost") {
  const TestHome home;
  std::optional<Connection> connection;
  {
    const FakeDaemon daemon(home.places(), [](FakeDaemon& self) {
      auto client = self.Accept();
      client.ReadRequest();
    });
    auto there = Connect(home.places());
    REQUIRE(there.has_value());
    REQUIRE(there->Send(control::EncodeLine(StopRequest()), os::Now() + Millis(5000)));
    connection = std::move(*there);
  }
  const auto request = StopRequest();
  const Reply reply = Run({.places = home.places(),
                           .request = request,
                           .deadline = os::Now() + Millis(300),
                           .on_message = [](const FromDaemon&) {}},
                          std::move(*connection));
  CHECK(reply.code == ExitCode::kLost);
}

TEST_CASE("nonsense from the daemon is an error, not a crash") {
  for (const char* nonsense : {"hello\n", "{}\n", "\xff\xfe\n",
                               R"({"v":7,"ok":true})"
                               "\n"}) {
    const TestHome home;
    const FakeDaemon daemon(home.places(), [&](FakeDaemon& self) {
      auto client = self.Accept();
      client.ReadRequest();
      client.SayBytes(nonsense);
    });
    const Reply reply = Talk(home.places(), StopRequest(), Millis(10'000)).reply;
    CHECK(reply.code == ExitCode::kNotDone);
    CHECK_FALSE(reply.error.empty());
  }
}

TEST_CASE("request ids are random and never zero") {
  const RequestId first = NewRequestId();
  CHECK(first.is_set());
  CHECK(first != NewRequestId());
}

}  // namespace
}  // namespace oxherd::cli
