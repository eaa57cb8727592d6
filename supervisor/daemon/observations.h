// What the daemon has seen happen and nobody needs to survive it: the last events of each service,
// the last answer to each health check, why a plan could not be made, numbers for the list's rows.
//
// Everything here is bounded by the services there are, and lost when the daemon is; what must not
// be lost is in the state.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/ids.h"
#include "base/time.h"
#include "control/message.h"
#include "core/state.h"
#include "daemon/http/metrics.h"

namespace oxherd {

constexpr std::size_t kHappeningsPerService = 20;

class Observations {
 public:
  // ---- Events of a service. ----
  void NoteHappening(const std::string& service, control::Happening happening);
  [[nodiscard]] std::vector<control::Happening> HappeningsOf(const std::string& service) const;

  // ---- Health. ----
  void NoteHealth(Token token, control::Health health) { health_[token] = std::move(health); }
  [[nodiscard]] control::Health HealthOf(Token token) const;

  // ---- Its port was answered by another process, so it proved nothing. ----
  struct Foreign {
    std::uint16_t port = 0;
    std::string who;  // has the port, and how to mend that
  };
  void NoteForeign(Token token, const Foreign& foreign) { foreign_[token] = foreign; }
  [[nodiscard]] const Foreign* ForeignOf(Token token) const;

  // ---- Which processes have taken a listening socket through the preload library. ----
  void NoteSocketTaken(Token token) { takers_.insert(token); }
  [[nodiscard]] bool HasTakenSocket(Token token) const { return takers_.contains(token); }

  // Which were refused theirs, as they bind another family or a narrower address.
  void NoteSocketRefused(Token token) { refused_.insert(token); }
  [[nodiscard]] bool WasSocketRefused(Token token) const { return refused_.contains(token); }

  // ---- A port that it could not have: who has it, and how to mend that. ----
  void NotePortTaken(Token token, std::string text) { ports_taken_[token] = std::move(text); }
  [[nodiscard]] const std::string* PortTakenOf(Token token) const;

  // ---- STATUS=… of sd_notify(3). ----
  void NoteStatus(Token token, std::string text) { statuses_[token] = std::move(text); }
  [[nodiscard]] const std::string* StatusOf(Token token) const;

  // ---- What was found out about a process that an earlier keeper has left. ----
  void NoteRemark(Token token, std::string text) { remarks_[token] = std::move(text); }
  [[nodiscard]] const std::string* RemarkOf(Token token) const;

  // ---- Why an instance was last replaced by a limit, cron or watch. ----
  void NoteReplaced(const InstanceId& instance, control::Happening why) {
    replaced_[instance] = std::move(why);
  }
  [[nodiscard]] const control::Happening* ReplacedOf(const InstanceId& instance) const;

  // ---- How reloads have ended since this daemon began. ----
  void NoteReload(const std::string& service, bool succeeded) {
    ReloadCounts& counts = reloads_[service];
    ++(succeeded ? counts.done : counts.rolled_back);
  }
  [[nodiscard]] ReloadCounts ReloadsOf(const std::string& service) const {
    const auto found = reloads_.find(service);
    return found == reloads_.end() ? ReloadCounts{} : found->second;
  }

  // ---- Plans that could not be made: in words, where the core has only a stage and an errno. ----
  void NoteTrouble(Token token, std::string text) { troubles_[token] = std::move(text); }
  [[nodiscard]] const std::string* TroubleOf(Token token) const;

  // ---- Rows. ----
  // The instance's number in the list; the same as long as the daemon lives.
  [[nodiscard]] std::uint32_t RowOf(const InstanceId& instance);
  [[nodiscard]] std::optional<InstanceId> InstanceOfRow(std::uint32_t row) const;

  // Forgets what concerns services and processes that are no more.
  void Trim(const State& state);

 private:
  std::map<std::string, std::deque<control::Happening>, std::less<>> happenings_;
  std::unordered_map<Token, control::Health> health_;
  std::unordered_map<Token, Foreign> foreign_;
  std::unordered_map<Token, std::string> troubles_;
  std::unordered_map<Token, std::string> statuses_;
  std::unordered_map<Token, std::string> remarks_;
  std::unordered_set<Token> takers_;
  std::unordered_set<Token> refused_;
  std::unordered_map<Token, std::string> ports_taken_;
  std::map<std::string, ReloadCounts, std::less<>> reloads_;
  std::map<InstanceId, control::Happening> replaced_;
  std::map<InstanceId, std::uint32_t> rows_;
  std::uint32_t next_row_ = 0;
};

}  // namespace oxherd
