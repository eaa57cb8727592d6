#include "keeper/child_order.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>

#include "os/child.h"

namespace oxherd::keeper {
namespace {

// The child's arrays are in memory of its own that goes with the exec: how large they are only the
// plan knows, and the keeper keeps nothing for them.
template <typename T>
std::span<T> MakeArray(std::size_t count, int report) {
  if (count == 0) return {};
  void* memory = ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) os::FailChild(report, os::ChildStage::kPlan, errno);
  T* first = static_cast<T*>(memory);
  std::uninitialized_value_construct_n(first, count);
  return std::span(first, count);
}

// Texts with the null that execve wants at the end.
const char* const* Arguments(const PlanView& plan, int report) {
  const auto texts = MakeArray<const char*>(plan.argument_count() + std::size_t{1}, report);
  plan.Arguments(texts.first(plan.argument_count()));
  return texts.data();
}

// What "LISTEN_PID=" becomes: only the child knows its pid (systemd: sd_listen_fds(3)).
const char* OwnListenPid(int report) {
  constexpr std::string_view kName = "LISTEN_PID=";
  const std::span<char> text = MakeArray<char>(kName.size() + 16, report);
  std::ranges::copy(kName, text.begin());
  // Ends with the zeros of fresh memory.
  std::to_chars(text.data() + kName.size(), text.data() + text.size() - 1, ::getpid());
  return text.data();
}

const char* const* Environment(const PlanView& plan, int report) {
  const auto texts = MakeArray<const char*>(plan.environment_count() + std::size_t{1}, report);
  plan.Environment(texts.first(plan.environment_count()));
  for (const char*& text : texts.first(plan.environment_count())) {
    if (std::string_view(text) == "LISTEN_PID=") text = OwnListenPid(report);
  }
  return texts.data();
}

int SourceOf(const PlanView::Descriptor& descriptor, const ChildSurroundings& around) {
  switch (descriptor.source) {
    case MappedDescriptor::Source::kAttached:
      if (descriptor.attached < around.attached.size()) {
        return around.attached[descriptor.attached].get();
      }
      break;
    case MappedDescriptor::Source::kHeld:
      return around.held.number(around.held.where, descriptor.name);
  }
  return -1;
}

std::span<os::ChildDescriptor> Descriptors(const PlanView& plan, const ChildSurroundings& around) {
  const auto mapped = MakeArray<PlanView::Descriptor>(plan.descriptor_count(), around.report);
  plan.Descriptors(mapped);
  const auto descriptors = MakeArray<os::ChildDescriptor>(mapped.size(), around.report);
  for (std::size_t i = 0; i < mapped.size(); ++i) {
    const int source = SourceOf(mapped[i], around);
    if (source < 0) os::FailChild(around.report, os::ChildStage::kDescriptors, EBADF);
    descriptors[i] = {.source = source,
                      .target = mapped[i].target,
                      .open_anew = mapped[i].open == MappedDescriptor::Open::kReadWrite};
  }
  return descriptors;
}

// The plan's limits, and the limit of open files as the keeper found it, unless the plan has one.
std::span<const os::ChildLimit> Limits(const PlanView& plan, const ChildSurroundings& around) {
  const auto planned = MakeArray<ResourceLimit>(plan.limit_count(), around.report);
  plan.Limits(planned);
  const auto limits = MakeArray<os::ChildLimit>(planned.size() + 1, around.report);
  limits[0] = {
      .resource = RLIMIT_NOFILE, .soft = around.open_files.soft, .hard = around.open_files.hard};
  for (std::size_t i = 0; i < planned.size(); ++i) {
    limits[i + 1] = {
        .resource = planned[i].resource, .soft = planned[i].soft, .hard = planned[i].hard};
  }
  return limits;
}

std::optional<os::ChildUser> UserOf(const PlanView& plan, int report) {
  const std::optional<PlanView::User> user = plan.user();
  if (!user) return std::nullopt;
  const auto groups = MakeArray<std::uint32_t>(plan.group_count(), report);
  plan.Groups(groups);
  return os::ChildUser{.uid = user->uid, .gid = user->gid, .groups = groups};
}

}  // namespace

void RunPlan(const PlanView& plan, const ChildSurroundings& around) {
  os::ChildOrder order;
  order.program = plan.program();
  order.arguments = Arguments(plan, around.report);
  order.environment = Environment(plan, around.report);
  order.directory = plan.directory();
  order.descriptors = Descriptors(plan, around);
  order.limits = Limits(plan, around);
  order.user = UserOf(plan, around.report);
  order.umask = plan.umask();
  order.nice = plan.nice();
  order.oom_score_adj = plan.oom_score_adj() ? plan.oom_score_adj() : around.oom_score_adj;
  order.no_new_privs = plan.no_new_privs();
  order.report = around.report;
  order.parent = around.parent;
  os::RunChild(order);
}

}  // namespace oxherd::keeper
