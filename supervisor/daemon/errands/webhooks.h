// What a push at GitHub or GitLab makes a service do: its commands, one after the other.
//
// A request is answered as soon as the push is on the disk; the commands run on. While they do, one
// more push waits, and a later one takes its place: what it brings, the waiting one would have
// brought too. What runs and what waits when the daemon dies is done by the next one, from the
// first command on: at least once.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/push_event.h"
#include "core/state.h"
#include "daemon/daemon_log.h"
#include "daemon/errands/errands.h"
#include "daemon/http/http_server.h"
#include "daemon/launch/spawn_plan.h"
#include "daemon/observations.h"
#include "daemon/store/push_store.h"

namespace oxherd {

class Webhooks {
 public:
  struct Parts {
    boost::asio::io_context& loop;
    const State& state;
    const SpawnGround& ground;
    Errands& errands;
    Observations& observations;
    DaemonLog& log;
    std::string home;          // OXHERD_HOME for commands that call oxherd; empty: they need none
    std::string state_folder;  // empty: nothing outlives this daemon (`oxherd run`)
  };
  explicit Webhooks(Parts parts);

  // Below which path of the [supervisor] http listener they are: /webhook/NAME.
  static constexpr std::string_view kPath = "/webhook/";

  // Answers a request about this service's webhook.
  void Take(const HttpRequest& request, const std::string& name,
            const HttpServer::Respond& respond);

  // Once a turn: opens the listeners that services want for themselves, and closes the others. The
  // first time it takes up what an earlier daemon has left.
  void Update();
  // Why one of them is not there.
  [[nodiscard]] std::vector<std::string> troubles() const;

 private:
  struct Work {
    SpecPtr spec;
    Generation generation;
    control::PushEvent push;
    std::size_t command = 0;  // that runs
    std::optional<control::PushEvent> next;
  };
  struct Listener {
    std::unique_ptr<HttpServer> server;  // null: it could not be opened
    std::string trouble;
  };
  [[nodiscard]] const Service* Find(const std::string& name) const;
  void TakeAt(const std::string& address, const HttpRequest& request,
              const HttpServer::Respond& respond);
  [[nodiscard]] HttpResponse Refuse(const std::string& name, const std::string& why);
  void Follow(const Service& service, control::PushEvent push, const HttpServer::Respond& respond);
  // Puts down what runs and what waits.
  void Keep(std::function<void(const Status&)> done);
  void Resume();
  void Begin(const Service& service, control::PushEvent push);
  void RunCommand(const std::string& name);
  void OnEnd(const std::string& name, const std::string& trouble);
  void Finish(const std::string& name);
  void Note(const std::string& name, const std::string& text);

  Parts parts_;
  std::optional<PushStore> store_;
  bool has_resumed_ = false;
  std::map<std::string, Work, std::less<>> works_;          // by service
  std::map<std::string, Listener, std::less<>> listeners_;  // by address
  Instant refused_at_{};                                    // when that was last written down
  std::size_t refused_ = 0;                                 // since, unwritten
};

}  // namespace oxherd
