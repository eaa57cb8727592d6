#include "keeper/child_order.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <memory>

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
using Fill = void (PlanView::*)(std::span<const char*>) const;
const char* const* Texts(const PlanView& plan, std::size_t count, Fill fill, int report) {
  const std::span<const char*> texts = MakeArray<const char*>(count + 1, report);
  (plan.*fill)(texts.first(count));
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
  order.arguments = Texts(plan, plan.argument_count(), &PlanView::Arguments, around.report);
  order.environment = Texts(plan, plan.environment_count(), &PlanView::Environment, around.report);
  order.directory = plan.directory();
  order.descriptors = Descriptors(plan, around);
  order.limits = Limits(plan, around);
  order.user = UserOf(plan, around.report);
  order.umask = plan.umask();
  order.nice = plan.nice();
  order.oom_score_adj = plan.oom_score_adj() ? plan.oom_score_adj() : around.oom_score_adj;
  order.no_new_privs = plan.no_new_privs();
  order.report = around.report;
  os::RunChild(order);
}

}  // namespace oxherd::keeper
