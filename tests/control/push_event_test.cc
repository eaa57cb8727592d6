// What GitHub and GitLab send, in the shape that they send it (payloads/).
#include "control/push_event.h"
#include "control/pending_push.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "base/sha256.h"

namespace oxherd::control {
namespace {

std::string Payload(const std::string& name) {
  std::ifstream file(std::string(OXHERD_SOURCE_DIR) + "/tests/control/payloads/" + name);
  std::stringstream text;
  text << file.rdbuf();
  REQUIRE_FALSE(text.str().empty());
  return text.str();
}

PushHeaders FromGithub(std::string event, std::string_view body, std::string_view secret) {
  return {.github_event = std::move(event),
          .github_signature = "sha256=" + Hexadecimal(HmacSha256(secret, body)),
          .gitlab_event = {},
          .gitlab_token = {},
          .content_type = "application/json"};
}

PushHeaders FromGitlab(std::string event, std::string token) {
  return {.github_event = {},
          .github_signature = {},
          .gitlab_event = std::move(event),
          .gitlab_token = std::move(token),
          .content_type = "application/json"};
}

TEST_CASE("the signature is that of GitHub's own example") {
  // docs.github.com, "Validating webhook deliveries": the values to test an implementation with.
  PushHeaders headers;
  headers.github_signature =
      "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  CHECK(VerifyPush(headers, "Hello, World!", "It's a Secret to Everybody"));
  CHECK_FALSE(VerifyPush(headers, "Hello, World?", "It's a Secret to Everybody"));
  CHECK_FALSE(VerifyPush(headers, "Hello, World!", "it's a secret to everybody"));
  CHECK_FALSE(VerifyPush(headers, "Hello, World!", ""));
}

TEST_CASE("a push at GitHub tells branch, commit and repository") {
  const std::string body = Payload("github_push.json");
  const PushHeaders headers = FromGithub("push", body, "hush");
  REQUIRE(VerifyPush(headers, body, "hush"));
  const auto push = ReadPush(headers, body);
  REQUIRE(push);
  CHECK(push->kind == PushEvent::Kind::kPush);
  CHECK(push->branch == "main");
  CHECK(push->commit == "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c");
  CHECK(push->repository == "acme/shop");
  const auto ping = ReadPush(FromGithub("ping", "", "hush"), Payload("github_ping.json"));
  REQUIRE(ping);
  CHECK(ping->kind == PushEvent::Kind::kPing);
}

TEST_CASE("GitHub's form is the same, and its signature is that of the form") {
  std::string form = "payload=";
  for (const char c : Payload("github_push.json")) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ') {
      form += '+';
    } else if (std::isalnum(byte) != 0) {
      form += c;
    } else {
      form += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
  }
  PushHeaders headers = FromGithub("push", form, "hush");
  headers.content_type = "application/x-www-form-urlencoded";
  REQUIRE(VerifyPush(headers, form, "hush"));
  const auto push = ReadPush(headers, form);
  REQUIRE(push);
  CHECK(push->branch == "main");
  CHECK_FALSE(ReadPush(headers, "payload=%7"));
  CHECK_FALSE(ReadPush(headers, "other=1"));
}

TEST_CASE("a push at GitLab is known by its token") {
  const std::string body = Payload("gitlab_push.json");
  const PushHeaders headers = FromGitlab("Push Hook", "hush");
  CHECK(VerifyPush(headers, body, "hush"));
  CHECK_FALSE(VerifyPush(headers, body, "hush!"));
  const auto push = ReadPush(headers, body);
  REQUIRE(push);
  CHECK(push->branch == "release/2.4");
  CHECK(push->commit == "da1560886d4f094c3e6c9ef40349f7d38b5d27d7");
  CHECK(push->repository == "mike/diaspora");
}

TEST_CASE("what is no push to a branch is left alone, and says what it is") {
  const auto why = [](const PushHeaders& headers, std::string_view body) {
    const auto push = ReadPush(headers, body);
    REQUIRE(push);
    CHECK(push->kind == PushEvent::Kind::kOther);
    return push->why;
  };
  CHECK(why(FromGithub("issues", "{}", "x"), "{}") == "it is a \"issues\" event");
  CHECK(why(FromGithub("push", "", "x"), R"({"ref":"refs/tags/v1","after":"ab"})") ==
        "a tag was pushed");
  CHECK(why(FromGithub("push", "", "x"),
            R"({"ref":"refs/heads/dev","after":"000000","deleted":true})") ==
        "the branch dev was deleted");
  CHECK(why(FromGitlab("Tag Push Hook", "x"), "{}") == "a tag was pushed");
  CHECK(why(FromGitlab("Push Hook", "x"), R"({"ref":"refs/heads/dev","after":"0000"})") ==
        "the branch dev was deleted");
}

TEST_CASE("what makes no sense is an error, whatever it is") {
  const PushHeaders github = FromGithub("push", "", "x");
  for (const char* body : {"", "[]", "{", "{\"ref\":1}", "{\"ref\":\"main\"}", "{}"}) {
    CAPTURE(body);
    CHECK_FALSE(ReadPush(github, body));
  }
  CHECK_FALSE(ReadPush(github, std::string(100'000, '[')));
  CHECK_FALSE(ReadPush({}, "{}"));
  CHECK_FALSE(VerifyPush({}, "{}", "hush"));
}

TEST_CASE("pushes that wait are kept as they came, and a file that holds none is an error") {
  const std::vector<PendingPush> kept = {
      {"api", {PushEvent::Kind::kPush, "main", "0d1a26e", "acme/shop", ""}},
      {"api", {PushEvent::Kind::kPush, "a \"branch\"\n", "", "", ""}}};
  const auto read = DecodePendingPushes(EncodePendingPushes(kept));
  REQUIRE(read.has_value());
  REQUIRE(read->size() == 2);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    CHECK((*read)[i].service == kept[i].service);
    CHECK((*read)[i].push.kind == PushEvent::Kind::kPush);
    CHECK((*read)[i].push.branch == kept[i].push.branch);
    CHECK((*read)[i].push.commit == kept[i].push.commit);
    CHECK((*read)[i].push.repository == kept[i].push.repository);
  }
  CHECK(DecodePendingPushes(EncodePendingPushes({}))->empty());
  for (const char* text : {"", "{", "[]", R"({"pushes":[1]})", R"({"pushes":[{"service":3}]})"}) {
    CHECK_FALSE_MESSAGE(DecodePendingPushes(text).has_value(), text);
  }
}

}  // namespace
}  // namespace oxherd::control
