// Commands that the daemon runs on its own account, for events and webhooks: each a process of the
// keeper's, bounded in time, and nothing that the core knows of.
//
// Nothing here waits. What runs when the daemon dies is killed by the keeper, as health checks are:
// nobody would hear how it ended.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "core/event.h"
#include "core/spec.h"
#include "daemon/keeper_link.h"
#include "daemon/launch/spawner.h"

namespace oxherd {

struct Errand {
  enum class Output : std::uint8_t {
    kNowhere,
    kServiceLog,  // of the spec's first instance
  };
  SpecPtr spec;  // whose environment, folder, user and limits it has
  Generation generation{1};
  Command command;
  std::vector<EnvEntry> variables;  // further ones
  std::string input;                // its stdin; at most what a pipe holds, the rest is cut off
  Output output = Output::kNowhere;
  Millis time{10000};  // then SIGKILL to its whole tree
};

class Errands {
 public:
  struct Parts {
    Spawner& spawner;
    KeeperLink& keeper;
    std::function<Token()> new_token;
  };
  explicit Errands(Parts parts) : parts_(std::move(parts)) {}

  // Told once, when it and all that it has started are gone, what went wrong: "exited 1", "was
  // killed after 10 s", "cannot start: chdir: No such file or directory". Empty: it exited 0.
  using Done = std::function<void(const std::string& trouble)>;
  void Run(const Errand& errand, Done done);

  // A report of the keeper's about one of them; false: it is about something else.
  bool TakeReport(const keeper::Report& report);

  // When OnTime() has something to do; kNever if never.
  [[nodiscard]] Instant deadline() const;
  void OnTime(Instant now);

 private:
  struct Running {
    Done done;
    Errand::Output output = Errand::Output::kNowhere;
    Millis time{};
    Instant until{};
    bool is_late = false;
    std::string trouble;
  };
  void OnExited(Running& running, Token token, const ExitStatus& status);
  void End(Token token, std::string trouble);

  Parts parts_;
  std::unordered_map<Token, Running> running_;
};

}  // namespace oxherd
