#include "daemon/errands/webhooks.h"

#include <algorithm>
#include <set>
#include <utility>

#include "config/command.h"
#include "config/environment.h"
#include "daemon/commands/views.h"
#include "daemon/http/http_api.h"
#include "os/clock.h"

namespace oxherd {
namespace {

// Whoever tries many is not to fill the log.
constexpr Millis kOneRefusalEach{1000};

HttpResponse Plain(std::uint16_t status, std::string text) {
  return {.status = status, .type = "text/plain; charset=utf-8", .body = std::move(text) + "\n"};
}

control::PushHeaders HeadersOf(const HttpRequest& request) {
  return {.github_event = request.Header("x-github-event"),
          .github_signature = request.Header("x-hub-signature-256"),
          .gitlab_event = request.Header("x-gitlab-event"),
          .gitlab_token = request.Header("x-gitlab-token"),
          .content_type = request.Header("content-type")};
}

Result<std::string> SecretOf(const Service& service, std::span<const EnvEntry> base) {
  const Spec& spec = service.spec();
  if (!spec.webhook.secret.contains("${")) return spec.webhook.secret;
  const SpawnIdentity identity{.slot = 0, .generation = service.generation, .token = Token(1)};
  OXHERD_TRY_ASSIGN(const std::vector<EnvEntry> environment,
                    BuildEnvironment(spec, identity, base));
  return Expand(spec.webhook.secret, environment, 0);
}

// "main at 0d1a26e".
std::string Shown(const control::PushEvent& push) {
  constexpr std::size_t kShort = 7;
  return push.branch + (push.commit.empty() ? "" : " at " + push.commit.substr(0, kShort));
}

}  // namespace

const Service* Webhooks::Find(const std::string& name) const {
  const Service* const service = parts_.state.Find(name);
  const bool is_there = service != nullptr && !service->deleting && service->spec().webhook.enabled;
  return is_there ? service : nullptr;
}

HttpResponse Webhooks::Take(const HttpRequest& request, const std::string& name) {
  if (request.method != "POST") {
    HttpResponse response = Plain(405, "this takes POST");
    response.allow = "POST";
    return response;
  }
  const Service* const service = Find(name);
  if (service == nullptr) return Plain(404, "no webhook is called so");
  const control::PushHeaders headers = HeadersOf(request);
  const Result<std::string> secret = SecretOf(*service, parts_.ground.base);
  if (!secret) {
    parts_.log.Error(name + " webhook: its secret: " + secret.error().message);
    return Plain(500, "the secret is not to be had; see the daemon's log");
  }
  if (const Status verified = control::VerifyPush(headers, request.body, *secret); !verified) {
    return Refuse(name, verified.error().message);
  }
  auto push = control::ReadPush(headers, request.body);
  if (!push) {
    parts_.log.Warn(name + " webhook: refused: " + push.error().message);
    return Plain(400, push.error().message);
  }
  switch (push->kind) {
    case control::PushEvent::Kind::kPing:
      parts_.log.Info(name + " webhook: pinged by GitHub; the secret is right");
      return Plain(200, "pong");
    case control::PushEvent::Kind::kOther:
      return Plain(200, "left alone: " + push->why);
    case control::PushEvent::Kind::kPush:
      break;
  }
  return Follow(*service, std::move(*push));
}

HttpResponse Webhooks::Refuse(const std::string& name, const std::string& why) {
  const Instant now = os::Now();
  ++refused_;
  if (refused_at_ == Instant() || now - refused_at_ >= kOneRefusalEach) {
    parts_.log.Warn(name + " webhook: refused: " + why +
                    " requests=" + std::to_string(std::exchange(refused_, 0)));
    refused_at_ = now;
  }
  return Plain(401, why);
}

HttpResponse Webhooks::Follow(const Service& service, control::PushEvent push) {
  const std::string& wanted = service.spec().webhook.branch;
  if (!wanted.empty() && push.branch != wanted) {
    parts_.log.Info(service.name + " webhook: push to " + push.branch +
                    " is left alone; it follows " + wanted);
    return Plain(200, "left alone: it follows " + wanted);
  }
  if (const auto busy = works_.find(service.name); busy != works_.end()) {
    const bool takes_place = busy->second.next.has_value();
    busy->second.next = std::move(push);
    return Plain(202, takes_place ? "waits, in the place of an earlier one" : "waits for its turn");
  }
  Begin(service, std::move(push));
  return Plain(202, "begun");
}

void Webhooks::Begin(const Service& service, control::PushEvent push) {
  const KeptSpec* const kept = service.Find(service.generation);
  Note(service.name, "webhook: push to " + Shown(push) + ": running " +
                         std::to_string(kept->spec->webhook.on_push.size()) + " commands");
  works_.insert_or_assign(service.name, Work{.spec = kept->spec,
                                             .generation = service.generation,
                                             .push = std::move(push),
                                             .next = {}});
  RunCommand(service.name);
}

void Webhooks::RunCommand(const std::string& name) {
  const Work& work = works_.find(name)->second;
  const control::PushEvent& push = work.push;
  std::vector<EnvEntry> variables = {{"OXHERD_PUSH_BRANCH", push.branch},
                                     {"OXHERD_PUSH_COMMIT", push.commit},
                                     {"OXHERD_PUSH_REPOSITORY", push.repository}};
  if (!parts_.home.empty()) variables.emplace_back("OXHERD_HOME", parts_.home);
  parts_.errands.Run({.spec = work.spec,
                      .generation = work.generation,
                      .command = work.spec->webhook.on_push[work.command],
                      .variables = std::move(variables),
                      .input = {},
                      .output = Errand::Output::kServiceLog,
                      .time = work.spec->policy.pre_reload_timeout},
                     [this, name](const std::string& trouble) { OnEnd(name, trouble); });
}

void Webhooks::OnEnd(const std::string& name, const std::string& trouble) {
  Work& work = works_.find(name)->second;
  const std::vector<Command>& commands = work.spec->webhook.on_push;
  if (!trouble.empty()) {
    const std::size_t left = commands.size() - work.command - 1;
    Note(name, "webhook: \"" + CommandText(commands[work.command]) + "\" " + trouble +
                   (left == 0 ? "" : "; left out commands=" + std::to_string(left)));
    return Finish(name);
  }
  if (++work.command < commands.size()) return RunCommand(name);
  Note(name, "webhook: push to " + Shown(work.push) + " is done");
  Finish(name);
}

void Webhooks::Finish(const std::string& name) {
  const auto found = works_.find(name);
  std::optional<control::PushEvent> next = std::move(found->second.next);
  works_.erase(found);
  const Service* const service = Find(name);
  if (next && service != nullptr) Begin(*service, std::move(*next));
}

void Webhooks::Note(const std::string& name, const std::string& text) {
  parts_.log.Info(name + " " + text);
  parts_.observations.NoteHappening(name, {.unix_ms = Clocks::Read().unix_ms, .text = text});
}

// ---- Listeners of their own. ----

void Webhooks::Update() {
  std::set<std::string> wanted;
  for (const Service& service : parts_.state.services) {
    const Webhook& webhook = service.spec().webhook;
    if (webhook.enabled && !webhook.address.empty() && !service.deleting) {
      wanted.insert(webhook.address);
    }
  }
  std::erase_if(listeners_, [&](const auto& one) { return !wanted.contains(one.first); });
  for (const std::string& address : wanted) {
    if (listeners_.contains(address)) continue;
    HttpLimits limits;
    limits.large_path = "/";
    auto opened = HttpServer::Open(
        parts_.loop, address,
        [this, address](const HttpRequest& request, const HttpServer::Respond& respond) {
          respond(TakeAt(address, request));
          return nullptr;
        },
        limits);
    Listener& listener = listeners_[address];
    if (opened) {
      listener.server = std::move(*opened);
      parts_.log.Info("webhook: listening at " + address);
    } else {
      listener.trouble = "webhook: " + opened.error().message;
      parts_.log.Error(listener.trouble + "; pushes do not arrive there");
    }
  }
}

// There a service that is alone is meant whatever the path.
HttpResponse Webhooks::TakeAt(const std::string& address, const HttpRequest& request) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  std::vector<std::string> names;
  for (const Service& service : parts_.state.services) {
    if (service.spec().webhook.address == address && Find(service.name) != nullptr) {
      names.push_back(service.name);
    }
  }
  if (path.starts_with(kPath)) {
    const auto name = DecodePath(std::string_view(path).substr(kPath.size()));
    const bool is_here = name && std::ranges::find(names, *name) != names.end();
    return is_here ? Take(request, *name) : Plain(404, "no webhook is called so");
  }
  if (names.size() == 1) return Take(request, names.front());
  return Plain(404, "which one? the path is /webhook/NAME");
}

std::vector<std::string> Webhooks::troubles() const {
  std::vector<std::string> troubles;
  for (const auto& [address, listener] : listeners_) {
    if (!listener.trouble.empty()) troubles.push_back(listener.trouble);
  }
  return troubles;
}

}  // namespace oxherd
