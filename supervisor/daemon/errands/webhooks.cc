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

Webhooks::Webhooks(Parts parts) : parts_(std::move(parts)) {
  if (!parts_.state_folder.empty()) store_.emplace(parts_.loop, parts_.state_folder);
}

void Webhooks::Take(const HttpRequest& request, const std::string& name,
                    const HttpServer::Respond& respond) {
  if (request.method != "POST") {
    HttpResponse response = Plain(405, "this takes POST");
    response.allow = "POST";
    return respond(std::move(response));
  }
  const Service* const service = Find(name);
  if (service == nullptr) return respond(Plain(404, "no webhook is called so"));
  const control::PushHeaders headers = HeadersOf(request);
  const Result<std::string> secret = SecretOf(*service, parts_.ground.base);
  if (!secret) {
    parts_.log.Error(name + " webhook: its secret: " + secret.error().message);
    return respond(Plain(500, "the secret is not to be had; see the daemon's log"));
  }
  if (const Status verified = control::VerifyPush(headers, request.body, *secret); !verified) {
    return respond(Refuse(name, verified.error().message));
  }
  auto push = control::ReadPush(headers, request.body);
  if (!push) {
    parts_.log.Warn(name + " webhook: refused: " + push.error().message);
    return respond(Plain(400, push.error().message));
  }
  switch (push->kind) {
    case control::PushEvent::Kind::kPing:
      parts_.log.Info(name + " webhook: pinged by GitHub; the secret is right");
      return respond(Plain(200, "pong"));
    case control::PushEvent::Kind::kOther:
      return respond(Plain(200, "left alone: " + push->why));
    case control::PushEvent::Kind::kPush:
      break;
  }
  Follow(*service, std::move(*push), respond);
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

void Webhooks::Follow(const Service& service, control::PushEvent push,
                      const HttpServer::Respond& respond) {
  const std::string& wanted = service.spec().webhook.branch;
  if (!wanted.empty() && push.branch != wanted) {
    parts_.log.Info(service.name + " webhook: push to " + push.branch +
                    " is left alone; it follows " + wanted);
    return respond(Plain(200, "left alone: it follows " + wanted));
  }
  std::string said = "begun";
  if (const auto busy = works_.find(service.name); busy != works_.end()) {
    said = busy->second.next ? "waits, in the place of an earlier one" : "waits for its turn";
    busy->second.next = std::move(push);
  } else {
    Begin(service, std::move(push));
  }
  Keep([respond, said](const Status& kept) {
    if (kept) return respond(Plain(202, said));
    respond(Plain(500, said + ", but would be lost with the daemon: " + kept.error().message));
  });
}

void Webhooks::Keep(std::function<void(const Status&)> done) {
  if (!store_) return done({});
  std::vector<control::PendingPush> pushes;
  for (const auto& [service, work] : works_) {
    pushes.push_back({.service = service, .push = work.push});
    if (work.next) pushes.push_back({.service = service, .push = *work.next});
  }
  store_->Save(pushes, [this, done = std::move(done)](const Status& kept) {
    if (!kept) parts_.log.Error("webhook: " + kept.error().message + "; the next push tries again");
    done(kept);
  });
}

void Webhooks::Resume() {
  if (!store_) return;
  auto pushes = store_->Load();
  if (!pushes) {
    parts_.log.Error("webhook: " + pushes.error().message + "; what waited there is not done");
    return;
  }
  for (control::PendingPush& pending : *pushes) {
    const auto busy = works_.find(pending.service);
    if (busy != works_.end()) {
      busy->second.next = std::move(pending.push);
    } else if (const Service* const service = Find(pending.service); service != nullptr) {
      parts_.log.Info(pending.service + " webhook: an earlier daemon has left a push");
      Begin(*service, std::move(pending.push));
    } else {
      parts_.log.Warn(pending.service +
                      " webhook: a push that waited is dropped: it has no webhook");
    }
  }
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
  if (parts_.state.shutdown) return;  // it was ended with us, and is the next daemon's
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
  Keep([](const Status&) {});
}

void Webhooks::Note(const std::string& name, const std::string& text) {
  parts_.log.Info(name + " " + text);
  parts_.observations.NoteHappening(name, {.unix_ms = Clocks::Read().unix_ms, .text = text});
}

// ---- Listeners of their own. ----

void Webhooks::Update() {
  if (!std::exchange(has_resumed_, true)) Resume();
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
          TakeAt(address, request, respond);
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
void Webhooks::TakeAt(const std::string& address, const HttpRequest& request,
                      const HttpServer::Respond& respond) {
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
    if (!is_here) return respond(Plain(404, "no webhook is called so"));
    return Take(request, *name, respond);
  }
  if (names.size() == 1) return Take(request, names.front(), respond);
  respond(Plain(404, "which one? the path is /webhook/NAME"));
}

std::vector<std::string> Webhooks::troubles() const {
  std::vector<std::string> troubles;
  for (const auto& [address, listener] : listeners_) {
    if (!listener.trouble.empty()) troubles.push_back(listener.trouble);
  }
  return troubles;
}

}  // namespace oxherd
