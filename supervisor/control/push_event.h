// What GitHub and GitLab say when somebody has pushed: whether it is from them, and what it is.
//
// Pure. Sources: docs.github.com "Webhook events and payloads", "Validating webhook deliveries";
// docs.gitlab.com "Webhook events".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace oxherd::control {

// More is refused before it is read (413).
constexpr std::size_t kMaxPushBody = std::size_t{1024} * 1024;

// The headers that matter, as they came; empty: not there.
struct PushHeaders {
  std::string github_event;      // X-GitHub-Event: "push", "ping"
  std::string github_signature;  // X-Hub-Signature-256: "sha256=" and the HMAC of the body
  std::string gitlab_event;      // X-Gitlab-Event: "Push Hook"
  std::string gitlab_token;      // X-Gitlab-Token: the secret itself
  std::string content_type;
};

// From somebody who knows the secret, compared in a time that tells nothing of it. An error says in
// words what is wrong with it, and nothing of the secret; an empty one is nobody's.
[[nodiscard]] Status VerifyPush(const PushHeaders& headers, std::string_view body,
                                std::string_view secret);

struct PushEvent {
  enum class Kind : std::uint8_t {
    kPing,   // GitHub has just been given the address
    kPush,   // to `branch`
    kOther,  // a tag, a branch that was deleted, another event: `why`
  };
  Kind kind = Kind::kOther;
  std::string branch;      // "main"
  std::string commit;      // what it is at now; may be empty
  std::string repository;  // "acme/shop"; may be empty
  std::string why;         // "a tag was pushed", for kOther
};

// An error: the body is no JSON, or not what a push event says.
[[nodiscard]] Result<PushEvent> ReadPush(const PushHeaders& headers, std::string_view body);

}  // namespace oxherd::control
