// A plan: all that a child needs between clone and exec, as one block of bytes in a sealed memfd.
//
// The daemon makes and encodes it. The keeper looks at it without copying or allocating, and its
// child carries it out (os/spawn.h). Everything is explicit: what a plan does not say, the child
// does not get.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace oxherd::keeper {

// A larger one is refused. The kernel takes about 2 MiB of arguments and environment (execve(2)).
constexpr std::size_t kMaxPlanBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxMappedDescriptors = 256;
constexpr std::size_t kMaxGroups = 1024;
constexpr std::size_t kMaxLimits = 16;

// One entry of the descriptor map: what the child finds at `target`.
struct MappedDescriptor {
  enum class Source : std::uint8_t {
    kAttached,  // number `attached` in the list of the Spawn (0 is the plan itself)
    kHeld,      // what the keeper holds under `name`
  };
  enum class Open : std::uint8_t {
    kAsItIs,
    kReadWrite,  // opened anew through /proc/self/fd: the child's end of a pipe whose read end is
                 // attached; being a reader too, it never gets SIGPIPE
    kListening,  // as it is, but renewed before the spawn (os/held_socket.h): for a held listening
                 // socket that no living instance shares
  };

  std::int32_t target = 0;
  Source source = Source::kAttached;
  Open open = Open::kAsItIs;
  std::uint8_t attached = 0;
  std::string name;

  friend bool operator==(const MappedDescriptor&, const MappedDescriptor&) = default;
};

struct ResourceLimit {
  std::int32_t resource = 0;  // RLIMIT_…
  std::uint64_t soft = 0;     // RLIM_INFINITY is the largest number
  std::uint64_t hard = 0;

  friend bool operator==(const ResourceLimit&, const ResourceLimit&) = default;
};

// Identity for the child. Unset: that of the keeper.
struct Identity {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  // all supplementary groups

  friend bool operator==(const Identity&, const Identity&) = default;
};

// Lets a process fetch the sockets that are held for it, through the preload library: those named
// "SERVICE\nADDRESS\nNUMBER" with the service of its label.
using ListenSecret = std::array<std::uint8_t, 16>;
struct ListenGrant {
  std::uint16_t number = 0;
  ListenSecret secret{};  // of this spawn alone; its OXHERD_LISTEN_KEY is "TOKEN:SECRET"

  friend bool operator==(const ListenGrant&, const ListenGrant&) = default;
};

struct Plan {
  std::string program;                 // absolute path; the daemon has searched PATH
  std::vector<std::string> arguments;  // argv, with argv[0]
  // "NAME=value"; everything the child gets. An entry "LISTEN_PID=" gets the child's pid.
  std::vector<std::string> environment;
  std::string directory;                      // absolute
  std::vector<MappedDescriptor> descriptors;  // 0, 1, 2 that are not in it are /dev/null
  std::vector<ResourceLimit> limits;          // else those the keeper was started with
  std::optional<Identity> identity;
  std::optional<std::uint32_t> umask;
  std::optional<std::int32_t> nice;
  std::optional<std::int32_t> oom_score_adj;  // unset: 0 under root, else the keeper's plus 100
  std::string cgroup;  // name of its own directory, e.g. "api.0"; empty: none
  bool no_new_privs = false;
  std::optional<ListenGrant> listen;

  friend bool operator==(const Plan&, const Plan&) = default;
};

// The bytes for the memfd. The plan's limits (above) are the caller's to keep; a plan beyond them
// is refused by the keeper with stage `plan`.
[[nodiscard]] std::string EncodePlan(const Plan& plan);

// An encoded plan, looked at in place. It points into the bytes given to Open.
class PlanView {
 public:
  struct Descriptor {
    std::int32_t target;
    MappedDescriptor::Source source;
    MappedDescriptor::Open open;
    std::uint8_t attached;
    std::string_view name;
  };
  // A list whose members are read one after the other.
  struct Section {
    std::span<const std::byte> bytes;
    std::uint32_t count = 0;
  };

  // Nothing for bytes that are no plan of this version, or one beyond the limits. Every text in it
  // is known to end with a NUL and to hold no other. Does not allocate, does not fail otherwise,
  // whatever the bytes.
  [[nodiscard]] static std::optional<PlanView> Open(std::span<const std::byte> bytes);

  [[nodiscard]] const char* program() const { return program_; }
  [[nodiscard]] const char* directory() const { return directory_; }
  [[nodiscard]] std::string_view cgroup() const { return cgroup_; }
  [[nodiscard]] std::uint32_t argument_count() const { return arguments_.count; }
  [[nodiscard]] std::uint32_t environment_count() const { return environment_.count; }
  [[nodiscard]] std::uint32_t descriptor_count() const { return descriptors_.count; }
  [[nodiscard]] std::uint32_t group_count() const { return groups_.count; }
  [[nodiscard]] std::uint32_t limit_count() const { return limits_.count; }

  // Each fills exactly as many places as its count says; the span must have them.
  void Arguments(std::span<const char*> places) const;
  void Environment(std::span<const char*> places) const;
  void Descriptors(std::span<Descriptor> places) const;
  void Groups(std::span<std::uint32_t> places) const;
  void Limits(std::span<ResourceLimit> places) const;

  struct User {
    std::uint32_t uid;
    std::uint32_t gid;
  };
  [[nodiscard]] std::optional<User> user() const { return user_; }
  [[nodiscard]] std::optional<std::uint32_t> umask() const { return umask_; }
  [[nodiscard]] std::optional<std::int32_t> nice() const { return nice_; }
  [[nodiscard]] std::optional<std::int32_t> oom_score_adj() const { return oom_score_adj_; }
  [[nodiscard]] bool no_new_privs() const { return no_new_privs_; }
  [[nodiscard]] const std::optional<ListenGrant>& listen() const { return listen_; }

 private:
  const char* program_ = nullptr;
  const char* directory_ = nullptr;
  std::string_view cgroup_;
  Section arguments_;
  Section environment_;
  Section descriptors_;
  Section groups_;
  Section limits_;
  std::optional<User> user_;
  std::optional<std::uint32_t> umask_;
  std::optional<std::int32_t> nice_;
  std::optional<std::int32_t> oom_score_adj_;
  bool no_new_privs_ = false;
  std::optional<ListenGrant> listen_;
};

}  // namespace oxherd::keeper
