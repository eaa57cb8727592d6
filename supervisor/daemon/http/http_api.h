// What the HTTP listener serves: /metrics, /healthz, and a JSON API that mirrors the commands.
//
// GET /api/list and /api/status[/NAME] answer what `list --json` and `status --json` print. POST
// /api/start|stop|restart|reload/NAME does what the command does and answers when it is done; it
// needs "Authorization: Bearer TOKEN" with the http_token of the Oxfile, and is refused where there
// is none.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/oxfile.h"
#include "daemon/commands/control_server.h"
#include "daemon/commands/conversations.h"
#include "daemon/daemon_log.h"
#include "daemon/errands/webhooks.h"
#include "daemon/http/http_server.h"

namespace oxherd {

class HttpApi {
 public:
  struct Parts {
    boost::asio::io_context& loop;
    Conversations& conversations;
    ControlServer& server;  // whose client a POST becomes
    DaemonLog& log;
    Webhooks& webhooks;
  };

  explicit HttpApi(Parts parts) : parts_(parts) {}

  // What the file that was read last says: opens, moves or closes the listener. A file that says
  // nothing of http leaves it as it is.
  void Use(const SupervisorSettings& settings);
  // Why it does not listen although it should.
  [[nodiscard]] const std::optional<std::string>& trouble() const { return trouble_; }

 private:
  using Cancel = std::function<void()>;
  Cancel Handle(const HttpRequest& request, HttpServer::Respond respond);
  void ServeMetrics(const HttpRequest& request, const HttpServer::Respond& respond);
  void Look(const std::string& command, const std::string& name,
            const HttpServer::Respond& respond);
  Cancel Change(const HttpRequest& request, control::Command command, const std::string& name,
                HttpServer::Respond respond);

  Parts parts_;
  std::string address_;
  std::string token_;
  std::unique_ptr<HttpServer> http_;
  std::optional<std::string> trouble_;
};

// "%2F" becomes "/"; nothing for what is no such text.
[[nodiscard]] std::optional<std::string> DecodePath(std::string_view text);

}  // namespace oxherd
