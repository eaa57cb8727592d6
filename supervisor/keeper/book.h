// The keeper's book-keeping, pure: who runs, what is to be done about it, and what the daemon has
// to hear.
//
// Facts go in (a request came, a process exited, time passed), effects come out for `main` - or the
// simulator's fake kernel - to carry out, and reports for the daemon. No system call, no clock, no
// allocation after the constructor. It decides nothing about services.
//
// After every input call NextEffect() until it has nothing more; carrying an effect out may give
// new facts, which go in the same way. Reports are pulled when the socket takes them: what was not
// sent stays due in the record itself (the table is the queue), newer facts fold into older ones,
// and a daemon's death drops what was due to it, because its successor asks for the World.
//
// Every input may come again, late, or about a token that is unknown: then it changes nothing.
// Copyable: a copy is an independent book in the same state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "keeper/protocol.h"

namespace oxherd::keeper {

// The position of a record, or of a held descriptor, in its table: for `main`'s table of
// descriptors beside it. Stable from Spawn to Forget, then used again.
using Place = std::uint32_t;

// ---- Effects: what is to be carried out, in this order. ----

// Fork and exec with what the Spawn being handled brought. Then OnForked or OnSpawnFailed, and
// after OnForked, OnStarted or OnSpawnFailed once the exec is decided.
struct SpawnProcess {
  Place place = 0;
  Token token;
  friend bool operator==(const SpawnProcess&, const SpawnProcess&) = default;
};
// A process that is gone already is no error.
struct SendSignal {
  enum class Then : std::uint8_t { kNothing, kContinue };  // kContinue: SIGCONT after it
  Place place = 0;
  Token token;
  std::uint8_t signal = 0;
  Scope scope = Scope::kMain;
  Then then = Then::kNothing;
  friend bool operator==(const SendSignal&, const SendSignal&) = default;
};
// SIGKILL to all of the tree, also to what it still forks, until it is empty.
struct KillTree {
  Place place = 0;
  Token token;
  friend bool operator==(const KillTree&, const KillTree&) = default;
};
// The record is no more: close its descriptors. The place may be used again from now on.
struct Forget {
  Place place = 0;
  Token token;
  friend bool operator==(const Forget&, const Forget&) = default;
};
// Keep the descriptor of the Hold being handled in this place; one that is there is closed.
struct HoldDescriptor {
  Place place = 0;
  friend bool operator==(const HoldDescriptor&, const HoldDescriptor&) = default;
};
struct DropDescriptor {
  Place place = 0;
  friend bool operator==(const DropDescriptor&, const DropDescriptor&) = default;
};
// Start a daemon with a new socketpair. Then OnDaemonStarted or OnDaemonStartFailed.
struct StartDaemon {
  std::uint32_t number = 0;
  bool use_image = true;
  friend bool operator==(const StartDaemon&, const StartDaemon&) = default;
};
struct SignalDaemon {
  std::uint8_t signal = 0;
  friend bool operator==(const SignalDaemon&, const SignalDaemon&) = default;
};
// Keep the paths that came with the Upgrade being handled.
struct NoteUpgrade {
  friend bool operator==(const NoteUpgrade&, const NoteUpgrade&) = default;
};
// Exec the new keeper in place: no daemon lives, no spawn is under way. Then OnUpgradeFailed, or
// nothing ever.
struct ExecKeeper {
  friend bool operator==(const ExecKeeper&, const ExecKeeper&) = default;
};
// The keeper is done and exits.
struct ExitKeeper {
  std::uint8_t code = 0;
  friend bool operator==(const ExitKeeper&, const ExitKeeper&) = default;
};

using Effect =
    std::variant<SpawnProcess, SendSignal, KillTree, Forget, HoldDescriptor, DropDescriptor,
                 StartDaemon, SignalDaemon, NoteUpgrade, ExecKeeper, ExitKeeper>;

// A report on its way. For Started and WorldRecord `place` is the record's, for WorldHeld the held
// descriptor's: the descriptors kept there go along.
struct Outgoing {
  Report report;
  Place place = 0;
};

// What the book knows of one process; readable for tests and the simulator's invariants.
struct Record {
  Token token;  // not set: the place is free
  Label label;
  Roles held;
  Phase phase = Phase::kSpawning;
  bool forked = false;
  bool failed = false;        // the spawn failed: only SpawnFailed is still due
  bool orphan_check = false;  // a check whose daemon died: killed and forgotten in silence
  bool in_cgroup = false;
  bool told_gone = false;  // the living daemon was sent Gone
  // Left by an earlier keeper, and not surely what it was: it gets no signal of ours.
  bool in_doubt = false;
  bool has_pidfd = true;            // false: an earlier keeper's, and its main process is gone
  std::int32_t listen_number = -1;  // the sockets that it was given; -1: none, or nobody knows
  Pid pid;
  // A stop signal that waits for the exec to be confirmed; 0: none.
  std::uint8_t waiting_signal = 0;
  Scope waiting_scope = Scope::kGroup;
  Instant started_at = kNever;
  Instant stop_sent_at = kNever;
  Instant kill_at = kNever;
  Instant kill_fired_at = kNever;
  ExitRecord exit;
  Instant gone_at = kNever;
  Stage failed_stage = Stage::kClone;
  std::int32_t failed_errno = 0;
  // What was said of its sockets: the places that it took, and how much altogether.
  std::array<Place, kMaxListenNews> taken{};
  std::uint8_t taken_count = 0;
  std::uint8_t refused_count = 0;
  std::uint8_t due = 0;  // what the daemon has still to hear: bits, see book.cc
};

class Book {
 public:
  struct Settings {
    // Processes known at the same time; at most 65,535. One more: SpawnFailed with stage `table`
    // and ENOSPC.
    std::uint32_t processes = 4096;
    // Descriptors held by name. One more: Refused with ENOSPC.
    std::uint32_t held = 256;
    bool heartbeat = true;
    Pid keeper;            // for Hello
    Name listen_socket{};  // for Hello
  };

  // The only place that allocates. The first OnTick starts the first daemon.
  explicit Book(const Settings& settings);

  // ---- What an earlier keeper has left; before the first OnTick. ----
  // The process of the record, which is running or gone as its phase says. Nothing: no room, or its
  // token is known. Checks are killed: nobody waits for them.
  std::optional<Place> Inherit(const Record& record, Instant now);
  std::optional<Place> InheritHeld(const HeldName& name);
  // Tokens that were given, and daemons that were started.
  void InheritCounts(Token highest, std::uint32_t daemon_number);

  // ---- Requests. ----
  // False while a refusal waits to be sent: read no further request until then (it is the only
  // answer that is in no table).
  [[nodiscard]] bool accepts_requests() const { return !loose_answer_.has_value(); }
  void OnRequest(const Request& request, Instant now);
  // A request whose descriptors did not all arrive, because there was no room for them (EMFILE).
  void OnRequestWithoutDescriptors(const Request& request);
  // A datagram that DecodeRequest did not take.
  void OnUnreadableRequest();

  // ---- Facts about processes. ----
  // `listen_number`: as in Record.
  void OnForked(Token token, Pid pid, bool in_cgroup, std::int32_t listen_number = -1);
  void OnStarted(Token token, Instant now);
  void OnSpawnFailed(Token token, Stage stage, std::int32_t error_number);
  void OnMainExited(Token token, const ExitRecord& record);
  // No process of the tree is left. Say it after OnMainExited; before that it means nothing.
  void OnTreeEmpty(Token token, Instant now);
  void OnStray(Pid pid);
  // The process was given the socket held at the place, or refused; for the daemon.
  void OnListenTaken(Token token, Place held);
  void OnListenRefused(Token token, ListenMismatch why, const TcpAddress& asked);

  // ---- Facts about the daemon. ----
  void OnDaemonStarted(Instant now);
  // At the very first start the keeper gives up: ExitKeeper{1}. Later it is a crash.
  void OnDaemonStartFailed(Instant now);
  // Its end of the socket is closed though it lives: it is killed.
  void OnDaemonSilent();
  // It is gone and all that it had sent has been handed to OnRequest.
  void OnDaemonGone(Instant now);
  void OnControlSocketMade();
  // The old keeper goes on, and starts a daemon.
  void OnUpgradeFailed(std::int32_t error_number, Instant now);

  // ---- The rest of the world. ----
  // SIGTERM, SIGINT and SIGHUP to the keeper are passed on to the daemon, at once or as soon as one
  // has asked for the World. A second SIGTERM or SIGINT while the daemon is crashing ends
  // everything: trees are killed, the keeper exits 1.
  void OnOperatorSignal(std::uint8_t signal, Instant now);
  // Carries out every deadline up to `now`.
  void OnTick(Instant now);
  // When OnTick is wanted next; kNever if never. May lie in the past.
  [[nodiscard]] Instant NextDeadline() const;

  // ---- Out. ----
  [[nodiscard]] std::optional<Effect> NextEffect();
  // The report to be sent next, the same until ReportSent() or an input; nothing while no daemon
  // listens.
  [[nodiscard]] std::optional<Outgoing> NextReport() const;
  void ReportSent();

  // ---- For whoever writes it down. ----
  // A place whose record, or held descriptor, has changed, come or gone; each once until it changes
  // again.
  [[nodiscard]] std::optional<Place> NextChanged() { return changed_.Take(); }
  [[nodiscard]] std::optional<Place> NextChangedHeld() { return changed_held_.Take(); }

  // ---- Looking. ----
  // Where the record of a token is.
  [[nodiscard]] std::optional<Place> Find(Token token) const;
  // Places 0 … the highest that was ever used; free ones among them have no token.
  [[nodiscard]] std::span<const Record> records() const { return std::span(records_); }
  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] bool daemon_is_up() const { return daemon_ == Daemon::kUp; }
  // It has asked for the World, and so knows what there is to look after.
  [[nodiscard]] bool daemon_is_at_work() const { return world_asked_; }
  // Somebody has told us to end, or the daemon has said that it is over.
  [[nodiscard]] bool is_ending() const { return terminations_ > 0 || leaving_; }
  // Processes whose tree is not known to be empty.
  [[nodiscard]] std::uint32_t alive() const { return alive_; }
  [[nodiscard]] std::optional<Place> FindHeld(const HeldName& name) const;
  // Places of held descriptors are below this; of one that is free the name is empty.
  [[nodiscard]] std::size_t held_places() const { return held_.size(); }
  [[nodiscard]] Token highest() const { return highest_; }
  [[nodiscard]] std::uint32_t daemon_number() const { return daemon_number_; }
  // All there is to know of a record.
  [[nodiscard]] WorldRecord WorldOf(const Record& record) const;
  [[nodiscard]] std::string_view held_name(Place place) const { return held_[place].name.text(); }

 private:
  enum class Daemon : std::uint8_t { kDown, kStarting, kUp };
  struct Held {
    HeldName name;
    bool used = false;
    bool due_in_world = false;
  };
  // ListenRefused, or ListenTaken if `held` is a place.
  struct ListenNews {
    Token token;
    Place held = std::numeric_limits<Place>::max();
    ListenMismatch why = ListenMismatch::kFamily;
    TcpAddress asked;
  };
  struct Leaving {
    std::uint8_t code = 0;
    Remains remains = Remains::kKill;
    Instant by = kNever;
  };

  // What is sent next.
  enum class Turn : std::uint8_t {
    kNothing,
    kHello,
    kLooseAnswer,
    kBeat,
    kRecord,
    kHeld,
    kWorldEnd,
    kNewControlSocket,
    kStray,
    kListenNews,
  };

  void On(const Spawn& spawn, Instant now);
  void On(const Stop& stop, Instant now);
  void On(const Kill& kill, Instant now);
  void On(const Signal& signal, Instant now);
  void On(const Ack& ack, Instant now);
  void On(const Hold& hold, Instant now);
  void On(const Drop& drop, Instant now);
  void On(const World& world, Instant now);
  void On(const BeatAnswer& answer, Instant now);
  void On(const Upgrade& upgrade, Instant now);
  void On(const Bye& bye, Instant now);

  [[nodiscard]] Record* At(Token token);
  [[nodiscard]] Record* Take(Token token);
  [[nodiscard]] Place PlaceOf(const Record& record) const;
  void NoteChange(const Record& record) { changed_.Note(PlaceOf(record)); }
  void Release(Record& record);
  void Do(const Effect& effect);
  void SendStopSignal(Record& record, Instant now);
  void FireKills(Instant now);
  [[nodiscard]] Instant NextKill() const;

  void Say(Record& record, std::uint8_t bit);
  void StopSaying(Record& record);
  void Unlink(Place place);
  [[nodiscard]] Report ReportFor(const Record& record) const;
  void Told(Record& record);
  void Announce(const ListenNews& news);
  [[nodiscard]] Report ReportFor(const ListenNews& news) const;
  void Refuse(std::uint8_t request, std::int32_t error_number, const HeldName& name = HeldName());
  [[nodiscard]] Turn NextTurn() const;
  [[nodiscard]] std::optional<Place> NextHeldOfWorld() const;

  void TickDaemon(Instant now);
  [[nodiscard]] bool IsSpawning() const;
  void TickBeat(Instant now);
  void ForgetDaemon(Instant now);
  void OrphanCheck(Record& record, Instant now);
  void PassOnSignals();
  void Leave(std::uint8_t code, Remains remains, Instant now);
  void ExitIfDone(Instant now);

  Settings settings_;

  // The table grows inside memory reserved at the start, so that what is not used is never touched.
  // `tokens_` is beside it so that a search reads little.
  std::vector<Record> records_;
  std::vector<Token> tokens_;
  std::vector<Place> free_;  // freed places, the last one on top
  std::uint32_t count_ = 0;
  std::uint32_t alive_ = 0;  // records whose tree is not known to be empty
  Token highest_;
  std::vector<Held> held_;
  mutable Instant next_kill_ = kNever;
  mutable bool next_kill_is_known_ = true;

  // Each input makes at most two for each record and a few more; all are taken before the next
  // input.
  std::vector<Effect> effects_;
  std::size_t effects_taken_ = 0;

  // Places in the order in which they changed, each once.
  class Changes {
   public:
    void Reserve(std::size_t most) {
      places_.reserve(most);
      is_in_.reserve(most);
    }
    void Note(Place place) {
      if (is_in_.size() <= place) is_in_.resize(place + 1);
      if (is_in_[place] != 0) return;
      is_in_[place] = 1;
      places_.push_back(place);
    }
    [[nodiscard]] std::optional<Place> Take() {
      if (places_.empty()) return std::nullopt;
      const Place place = places_.back();
      places_.pop_back();
      is_in_[place] = 0;
      return place;
    }

   private:
    std::vector<Place> places_;
    std::vector<std::uint8_t> is_in_;
  };
  Changes changed_;
  Changes changed_held_;

  // Records with something due, as a list through the table.
  struct Link {
    Place before;
    Place after;
  };
  std::vector<Link> links_;
  Place first_due_ = std::numeric_limits<Place>::max();
  Place last_due_ = std::numeric_limits<Place>::max();

  // The daemon.
  Daemon daemon_ = Daemon::kDown;
  std::uint32_t daemon_number_ = 0;
  Instant daemon_start_at_ = Instant::min();
  Instant daemon_up_since_ = kNever;
  std::array<Instant, 5> crashes_{};  // a ring of the latest
  std::uint32_t crash_count_ = 0;
  std::uint32_t crashes_in_a_row_ = 0;
  bool use_image_ = true;
  bool upgrade_is_due_ = false;  // when the daemon is gone
  bool hello_is_due_ = false;
  bool world_asked_ = false;
  bool world_end_is_due_ = false;
  std::uint32_t world_records_ = 0;
  std::uint32_t world_held_ = 0;
  std::uint32_t world_records_due_ = 0;
  bool control_socket_is_due_ = false;
  std::optional<Report> loose_answer_;  // Refused, or SpawnFailed for want of a place
  std::array<Pid, 8> strays_{};
  std::uint32_t stray_count_ = 0;
  std::array<ListenNews, 64> listen_news_{};  // a queue
  std::size_t listen_news_first_ = 0;
  std::size_t listen_news_count_ = 0;

  // The heartbeat.
  std::uint32_t beat_number_ = 0;
  int beats_missed_ = 0;
  bool beat_was_answered_ = true;
  bool beat_is_due_ = false;
  Instant beat_at_ = kNever;
  Instant daemon_kill_at_ = kNever;

  // People.
  std::uint8_t terminations_ = 0;
  std::uint8_t terminations_told_ = 0;
  bool reread_is_due_ = false;
  std::optional<Leaving> leaving_;
  bool done_ = false;
};

}  // namespace oxherd::keeper
