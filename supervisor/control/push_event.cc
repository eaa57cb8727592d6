#include "control/push_event.h"

#include <charconv>
#include <optional>
#include <utility>

#include "base/sha256.h"
#include "control/json_fields.h"

namespace oxherd::control {
namespace {

constexpr std::string_view kBranches = "refs/heads/";
constexpr std::string_view kTags = "refs/tags/";

// "a+b%2Fc" -> "a b/c".
std::optional<std::string> DecodeForm(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    unsigned code = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const char* const end = text.data() + i + 3;
    if (std::from_chars(text.data() + i + 1, end, code, 16).ptr != end) return std::nullopt;
    decoded += static_cast<char>(code);
    i += 2;
  }
  return decoded;
}

// GitHub's other content type: payload=JSON, as a form has it.
Result<std::string> JsonIn(const PushHeaders& headers, std::string_view body) {
  constexpr std::string_view kField = "payload=";
  if (!headers.content_type.starts_with("application/x-www-form-urlencoded")) {
    return std::string(body);
  }
  if (!body.starts_with(kField)) return MakeError("the form has no payload");
  body.remove_prefix(kField.size());
  auto decoded = DecodeForm(body.substr(0, body.find('&')));
  if (!decoded) return MakeError("the form is not encoded as one");
  return std::move(*decoded);
}

bool IsNoCommit(std::string_view commit) {
  return !commit.empty() && commit.find_first_not_of('0') == std::string_view::npos;
}

PushEvent Other(std::string why) {
  PushEvent event;
  event.why = std::move(why);
  return event;
}

// GitHub calls the repository "full_name", GitLab the project "path_with_namespace".
std::string RepositoryIn(const Fields& fields) {
  std::string name;
  if (const Json* repository = fields.Object("repository")) {
    fields.Inside(*repository).Read("full_name", name);
  }
  const Json* project = name.empty() ? fields.Object("project") : nullptr;
  if (project != nullptr) fields.Inside(*project).Read("path_with_namespace", name);
  return name;
}

}  // namespace

Status VerifyPush(const PushHeaders& headers, std::string_view body, std::string_view secret) {
  constexpr std::string_view kMethod = "sha256=";
  if (secret.empty()) return MakeError("there is no secret to compare with");
  if (!headers.github_signature.empty()) {
    std::string_view given = headers.github_signature;
    if (!given.starts_with(kMethod)) return MakeError("the signature is not of SHA-256");
    given.remove_prefix(kMethod.size());
    if (IsSameSecret(given, Hexadecimal(HmacSha256(secret, body)))) return {};
    return MakeError("the signature is wrong: its sender has another secret");
  }
  if (!headers.gitlab_token.empty()) {
    if (IsSameSecret(headers.gitlab_token, secret)) return {};
    return MakeError("the token is wrong: its sender has another secret");
  }
  return MakeError("there is neither X-Hub-Signature-256 (GitHub) nor X-Gitlab-Token (GitLab)");
}

Result<PushEvent> ReadPush(const PushHeaders& headers, std::string_view body) {
  const bool is_github = !headers.github_event.empty();
  const std::string& name = is_github ? headers.github_event : headers.gitlab_event;
  if (name.empty()) return MakeError("there is neither X-GitHub-Event nor X-Gitlab-Event");
  PushEvent event;
  if (is_github && name == "ping") {
    event.kind = PushEvent::Kind::kPing;
    return event;
  }
  if (name == "Tag Push Hook") return Other("a tag was pushed");
  if (name != (is_github ? "push" : "Push Hook")) return Other("it is a \"" + name + "\" event");
  OXHERD_TRY_ASSIGN(const std::string text, JsonIn(headers, body));
  OXHERD_TRY_ASSIGN(const Json object, ParseObject(text));
  std::string problem;
  std::string ref;
  bool deleted = false;
  const Fields fields(object, problem);
  fields.Read("ref", ref);
  fields.Read("after", event.commit);
  fields.Read("deleted", deleted);
  event.repository = RepositoryIn(fields);
  if (!problem.empty()) return MakeError(problem);
  if (ref.starts_with(kTags)) return Other("a tag was pushed");
  if (!ref.starts_with(kBranches)) return MakeError("ref names no branch");
  event.branch = ref.substr(kBranches.size());
  if (deleted || IsNoCommit(event.commit)) {
    return Other("the branch " + event.branch + " was deleted");
  }
  event.kind = PushEvent::Kind::kPush;
  return event;
}

}  // namespace oxherd::control
