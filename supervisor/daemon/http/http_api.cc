#include "daemon/http/http_api.h"

#include <charconv>
#include <string_view>
#include <utility>

#include "base/sha256.h"
#include "control/wire.h"
#include "daemon/commands/command_reader.h"
#include "daemon/http/metrics.h"

namespace oxherd {
namespace {

using Asked = control::Command;
using control::ExitCode;

HttpResponse Plain(std::uint16_t status, std::string text) {
  return {.status = status, .type = "text/plain; charset=utf-8", .body = std::move(text) + "\n"};
}

HttpResponse WrongMethod(std::string allow) {
  HttpResponse response = Plain(405, "this takes " + allow);
  response.allow = std::move(allow);
  return response;
}

bool IsRead(const HttpRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

std::uint16_t StatusOf(const control::Reply& reply) {
  switch (reply.code) {
    case ExitCode::kDone:
      return 200;
    case ExitCode::kNotDone:
      return 409;
    case ExitCode::kAskedWrongly:
      return 404;
    case ExitCode::kLost:
    case ExitCode::kNoDaemon:
    case ExitCode::kDetached:
      break;
  }
  return 503;
}

std::optional<Asked> ChangeNamed(std::string_view word) {
  if (word == "start") return Asked::kStart;
  if (word == "stop") return Asked::kStop;
  if (word == "restart") return Asked::kRestart;
  if (word == "reload") return Asked::kReload;
  return std::nullopt;
}

// "/api/stop/api%2F0": "stop" and "api/0".
struct ApiPath {
  std::string word;
  std::string name;
};
std::optional<ApiPath> ApiPathIn(std::string_view target) {
  constexpr std::string_view kApi = "/api/";
  target = target.substr(0, target.find('?'));
  if (!target.starts_with(kApi)) return std::nullopt;
  target.remove_prefix(kApi.size());
  const std::size_t slash = target.find('/');
  const bool has_name = slash != std::string_view::npos;
  auto name = DecodePath(has_name ? target.substr(slash + 1) : std::string_view());
  if (!name || (has_name && name->empty())) return std::nullopt;
  return ApiPath{std::string(target.substr(0, slash)), std::move(*name)};
}

}  // namespace

std::optional<std::string> DecodePath(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned code = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const char* const end = text.data() + i + 3;
    if (std::from_chars(text.data() + i + 1, end, code, 16).ptr != end || code == 0) {
      return std::nullopt;
    }
    decoded += static_cast<char>(code);
    i += 2;
  }
  return decoded;
}

void HttpApi::Use(const SupervisorSettings& settings) {
  if (!settings.http) return;
  token_ = settings.http_token;
  if (*settings.http == address_ && (http_ || address_.empty())) return;
  http_.reset();
  trouble_.reset();
  address_ = *settings.http;
  if (address_.empty()) return parts_.log.Info("http: off");
  HttpLimits limits;
  limits.large_path = Webhooks::kPath;
  auto opened = HttpServer::Open(
      parts_.loop, address_,
      [this](const HttpRequest& request, HttpServer::Respond respond) {
        return Handle(request, std::move(respond));
      },
      limits);
  if (!opened) {
    trouble_ = "http: " + opened.error().message;
    return parts_.log.Error(*trouble_ + "; there are no metrics until it can listen there");
  }
  http_ = std::move(*opened);
  parts_.log.Info("http: listening at " + address_);
}

HttpApi::Cancel HttpApi::Handle(const HttpRequest& request, HttpServer::Respond respond) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  if (path == "/healthz" || path == "/metrics") {
    if (!IsRead(request)) {
      respond(WrongMethod("GET"));
    } else if (path == "/healthz") {
      respond(Plain(200, "ok"));
    } else {
      ServeMetrics(request, respond);
    }
    return nullptr;
  }
  if (path.starts_with(Webhooks::kPath)) {
    const auto name = DecodePath(std::string_view(path).substr(Webhooks::kPath.size()));
    parts_.webhooks.Take(request, name.value_or(""), respond);
    return nullptr;
  }
  const std::optional<ApiPath> asked = ApiPathIn(request.target);
  const bool looks =
      asked && (asked->word == "status" || (asked->word == "list" && asked->name.empty()));
  const std::optional<Asked> change = asked ? ChangeNamed(asked->word) : std::nullopt;
  if (looks) {
    IsRead(request) ? Look(asked->word, asked->name, respond) : respond(WrongMethod("GET"));
  } else if (change && !asked->name.empty()) {
    if (request.method == "POST") return Change(request, *change, asked->name, std::move(respond));
    respond(WrongMethod("POST"));
  } else {
    respond(Plain(404,
                  "there are /metrics, /healthz, /api/list, /api/status/NAME, and POST "
                  "/api/start|stop|restart|reload/NAME and /webhook/NAME"));
  }
  return nullptr;
}

void HttpApi::ServeMetrics(const HttpRequest& request, const HttpServer::Respond& respond) {
  const MetricsFormat format = FormatFor(request.accept);
  respond({.status = 200,
           .type = std::string(ContentTypeOf(format)),
           .body = MetricsText(parts_.conversations.FiguresNow(), format)});
}

void HttpApi::Look(const std::string& command, const std::string& name,
                   const HttpServer::Respond& respond) {
  control::Request request;
  request.command = command == "list" ? Asked::kList : Asked::kStatus;
  if (!name.empty()) request.names.push_back(name);
  const control::Reply reply = parts_.conversations.LookAt(request);
  // That something is not ready is an answer too.
  const bool is_known = reply.code != ExitCode::kAskedWrongly;
  respond({.status = static_cast<std::uint16_t>(is_known ? 200 : 404),
           .body = control::EncodeForPeople(reply, command)});
}

HttpApi::Cancel HttpApi::Change(const HttpRequest& request, Asked command, const std::string& name,
                                HttpServer::Respond respond) {
  if (token_.empty()) {
    respond(Plain(403, "changes need a token: http_token under [supervisor] in the Oxfile"));
    return nullptr;
  }
  if (!IsSameSecret(request.token, token_)) {
    parts_.log.Warn("http: " + request.method + " " + std::string(control::Name(command)) +
                    " with a wrong token, or none; refused");
    respond(Plain(401, "needs the header \"Authorization: Bearer TOKEN\""));
    return nullptr;
  }
  parts_.log.Info("http: " + std::string(control::Name(command)) + " names=1");
  const std::string verb(control::Name(command));
  const ClientId guest =
      parts_.server.Invite([respond = std::move(respond), verb](const std::string& line) {
        const auto message = control::DecodeFromDaemon(line);
        const auto* const reply = message ? std::get_if<control::Reply>(&*message) : nullptr;
        if (reply == nullptr) return respond(Plain(500, "the daemon did not answer"));
        respond({.status = StatusOf(*reply), .body = control::EncodeForPeople(*reply, verb)});
      });
  control::Request asked;
  asked.id = RandomRequestId();
  asked.command = command;
  asked.client_version = OXHERD_VERSION;
  asked.names = {name};
  asked.folder = "/";
  parts_.conversations.OnSaid(guest, std::move(asked));
  return [this, guest] {
    parts_.server.Dismiss(guest);
    parts_.conversations.OnGone(guest);
  };
}

}  // namespace oxherd
