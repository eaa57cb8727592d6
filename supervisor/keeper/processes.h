// The instances as the kernel has them: spawns, signals and kills as the book says, and tells the
// book what became of them.
//
// Beside the book's table lies one of descriptors, by place. An instance in a cgroup is done with
// when its directory is empty; of one without, when no process of its tree is left
// (os/process_tree.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "keeper/adoption.h"
#include "keeper/book.h"
#include "keeper/cgroup_shelf.h"
#include "keeper/fetch.h"
#include "keeper/plan.h"
#include "keeper/protocol.h"
#include "keeper/succession.h"
#include "keeper/watch_key.h"
#include "os/child.h"
#include "os/fd.h"
#include "os/poller.h"
#include "os/process.h"
#include "os/process_tree.h"

namespace oxherd::keeper {

// How children differ from the keeper where their plan says nothing.
struct ChildDefaults {
  os::OpenFiles open_files;
  std::optional<int> oom_score_adj;
};

class Processes {
 public:
  struct Settings {
    std::uint32_t processes = 0;
    std::uint32_t held = 0;
    ChildDefaults defaults;
    std::string left_cgroups;  // the root of an earlier keeper's
  };
  // Allocates; nothing after it does. `book` and `poller` outlive this.
  [[nodiscard]] static Result<Processes> Open(const Settings& settings, Book& book,
                                              os::Poller& poller);

  // ---- What an earlier keeper has left; before the loop. ----
  void Inherit(Adopted adopted, Instant now);
  void InheritHeld(AdoptedHeld held);

  // ---- For the next keeper. ----
  // What is known of the process at a place, without descriptors.
  [[nodiscard]] LeftProcess Describe(Place place);
  [[nodiscard]] LeftHeld DescribeHeld(Place place) const;
  // And with them: their numbers.
  void NumberIn(LeftProcess& left, Place place) const;
  [[nodiscard]] int held_descriptor(Place place) const { return held_[place].get(); }
  [[nodiscard]] std::string cgroup_root() const { return shelf_.path(); }

  // ---- Effects. ----
  // `attached` came with the request; what is held is taken out of it.
  void Carry(const SpawnProcess& effect, const Spawn& request, std::span<os::Fd> attached,
             Instant now);
  void Carry(const SendSignal& effect);
  void Carry(const KillTree& effect);
  void Carry(const Forget& effect, Instant now);
  void Carry(const HoldDescriptor& effect, os::Fd descriptor);
  void Carry(const DropDescriptor& effect);

  // Judges a fetch (keeper/fetch.h) by a process of this user, and tells the book. Which sockets
  // are an instance's is said in its plan.
  struct Fetched {
    OxherdFetchVerdict verdict = OXHERD_FETCH_DENIED;
    int descriptor = -1;  // of what is given; still held
  };
  [[nodiscard]] Fetched Fetch(const FetchRequest& request, std::uint32_t uid);

  // ---- Facts. ----
  // The report pipe of the process has something to say.
  void OnStartReport(const WatchKey& key, Instant now);
  void OnCgroupChanged(const WatchKey& key, Instant now);
  // A process that is not our child has ended: the main one, or another of its tree.
  void OnInheritedEnded(const WatchKey& key, Instant now);
  void OnMemberEnded(const WatchKey& key);
  // Reaps one ended child and tells the book; false when there is none. Of the daemon, which is the
  // caller's, it says who ended.
  struct ReapedOne {
    bool was_daemon = false;
  };
  [[nodiscard]] std::optional<ReapedOne> Reap(Instant now);
  // To be called when all is reaped and all effects are carried out: looks after the trees that
  // have no cgroup, if something happened to them.
  void LookAfterTrees(Instant now);
  void Tidy(Instant now) { shelf_.Tidy(now); }
  // For the end.
  void RemoveCgroups() { shelf_.RemoveAll(); }

  // The daemon is a child too; its end is seen by Reap.
  void OnDaemonForked(Pid pid) { children_.push_back({.pid = pid, .whose = Whose::kDaemon}); }

  // Writes the numbers of the descriptors that go with a report; returns how many.
  [[nodiscard]] std::size_t Attach(const Outgoing& outgoing, std::span<int> numbers) const;

 private:
  enum class Whose : std::uint8_t { kInstance, kDaemon, kNobody };
  // A child that is not reaped. kNobody: its spawn has failed, it is on its way out.
  struct Child {
    Pid pid;
    Whose whose = Whose::kNobody;
    Place place = 0;
  };
  // What is kept of the record at the same place.
  struct Kept {
    Pid pid;
    bool is_child = true;           // false: an earlier keeper's child
    std::uint64_t start_ticks = 0;  // 0: not read yet
    os::Fd member;  // pidfd of one that is left of a tree whose deaths nobody tells us
    bool main_is_reaped = false;
    bool is_killed = false;          // everything of its tree that turns up is killed
    bool is_killed_by_scan = false;  // because it has no cgroup, or that could not do it
    bool is_watched = false;
    bool reached_exec = false;
    // Was sent to the group; what has left it gets it when the main process has ended. 0: none.
    std::uint8_t stop_signal = 0;
    CgroupShelf::Spot spot = CgroupShelf::kNoSpot;
    os::Fd pidfd;
    os::Fd report;
    std::array<os::Fd, kMaxAttached> held;
    std::optional<ListenGrant> listen;
    std::uint32_t uid = 0;
  };

  // A tree that is looked for in /proc.
  struct Root {
    os::TreeRoot root;
    Place place = 0;
    std::uint32_t alive = 0;
    os::ProcessStat member;  // one of them
  };

  Processes(const Settings& settings, Book& book, os::Poller& poller, os::ProcessTrees trees);

  void RenewListening(const PlanView& plan);
  [[nodiscard]] bool MayFetch(const Kept& kept, const FetchRequest& request,
                              std::uint32_t uid) const;
  void FailSpawn(const SpawnProcess& effect, Stage stage, int error_number);
  [[nodiscard]] os::SystemResult<os::Cloned> CloneFor(Kept& kept, Instant now);
  void ReadStartReport(Place place, Instant now);
  void OnMainReaped(Place place, const os::Reaped& reaped, Instant now);
  void OnMainGone(Place place, ExitRecord exit, Instant now);
  void AwaitTree(Place place, Instant now);
  void OnTreeEmpty(Place place, Instant now);
  void WatchCgroup(Place place);
  void UnwatchCgroup(Place place);
  [[nodiscard]] bool IsCurrent(const WatchKey& key) const;

  [[nodiscard]] bool HasCgroup(const Root& root) const {
    return kept_[root.place].spot != CgroupShelf::kNoSpot;
  }
  [[nodiscard]] bool HasOtherChildren() const;
  void ListRoots();
  void EmptyAllExited(Instant now);
  void JudgeTrees(Instant now);
  void KillMember(const os::Member& member);
  void StopMember(const os::Member& member);
  void WatchMember(const Root& root);
  void JudgeUnknown();
  void ReportStray(Pid pid);

  Book& book_;
  os::Poller& poller_;
  ChildDefaults defaults_;
  Pid self_;
  CgroupShelf shelf_;
  std::vector<Kept> kept_;
  std::vector<os::Fd> held_;
  std::vector<Child> children_;
  std::vector<PlanView::Descriptor> mapped_;  // of the plan being carried out

  // Trees without a cgroup.
  os::ProcessTrees trees_;
  os::Fd children_file_;  // none where the kernel has no such file: then every look is a scan
  std::vector<Root> roots_;
  std::vector<os::TreeRoot> plain_roots_;
  std::array<Pid, 64> strays_told_{};
  std::size_t strays_told_count_ = 0;
  bool has_inherited_ = false;  // some of the trees
  bool must_look_ = false;
  bool must_scan_ = false;
};

}  // namespace oxherd::keeper
