#include "keeper/plan.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace oxherd::keeper {
namespace {

// "OXP" and the version of the form.
constexpr std::uint32_t kMagic = 0x4F585002;
constexpr std::uint32_t kMaxTexts = kMaxPlanBytes;  // each takes a byte at least

// What is set, and the two flags, in one number.
enum Flag : std::uint32_t {
  kHasIdentity = 1,
  kHasUmask = 2,
  kHasNice = 4,
  kHasOomScoreAdj = 8,
  kNoNewPrivs = 16,
  kHasListen = 32,
  kAllFlags = 63,
};

template <typename Number>
void Put(std::string& bytes, Number number) {
  static_assert(std::is_integral_v<Number>);
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof number);
  std::memcpy(bytes.data() + at, &number, sizeof number);
}

// Length without the NUL, the text, the NUL: the child uses it where it lies. A NUL inside would
// cut it short unseen; the text ends there.
void PutText(std::string& bytes, const std::string& text) {
  const std::size_t size = std::strlen(text.c_str());
  Put(bytes, static_cast<std::uint32_t>(size));
  bytes.append(text, 0, size);
  bytes.push_back('\0');
}

std::uint32_t Count(std::size_t count) { return static_cast<std::uint32_t>(count); }

std::uint32_t FlagsOf(const Plan& plan) {
  std::uint32_t flags = 0;
  if (plan.identity) flags |= kHasIdentity;
  if (plan.umask) flags |= kHasUmask;
  if (plan.nice) flags |= kHasNice;
  if (plan.oom_score_adj) flags |= kHasOomScoreAdj;
  if (plan.no_new_privs) flags |= kNoNewPrivs;
  if (plan.listen) flags |= kHasListen;
  return flags;
}

class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename Number>
  Number Get() {
    static_assert(std::is_integral_v<Number>);
    Number number{};
    if (bytes_.size() < sizeof number) {
      Fail();
      return number;
    }
    std::memcpy(&number, bytes_.data(), sizeof number);
    bytes_ = bytes_.subspan(sizeof number);
    return number;
  }

  // Never null; "" after a failure.
  std::string_view GetText() {
    const auto size = Get<std::uint32_t>();
    if (size >= bytes_.size() || bytes_[size] != std::byte{0}) {
      Fail();
      return "";
    }
    const auto* text = reinterpret_cast<const char*>(bytes_.data());
    if (std::memchr(text, '\0', size) != nullptr) Fail();
    if (!ok_) return "";
    bytes_ = bytes_.subspan(std::size_t{size} + 1);
    return {text, size};
  }

  void Fail() {
    ok_ = false;
    bytes_ = {};
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::span<const std::byte> rest() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
  bool ok_ = true;
};

PlanView::Descriptor GetDescriptor(Cursor& cursor) {
  PlanView::Descriptor descriptor{};
  descriptor.target = cursor.Get<std::int32_t>();
  const auto source = cursor.Get<std::uint8_t>();
  const auto open = cursor.Get<std::uint8_t>();
  descriptor.attached = cursor.Get<std::uint8_t>();
  descriptor.name = cursor.GetText();
  if (descriptor.target < 0 || source > 1 || open > 2) cursor.Fail();
  descriptor.source = static_cast<MappedDescriptor::Source>(source);
  descriptor.open = static_cast<MappedDescriptor::Open>(open);
  return descriptor;
}

ResourceLimit GetLimit(Cursor& cursor) {
  ResourceLimit limit;
  limit.resource = cursor.Get<std::int32_t>();
  limit.soft = cursor.Get<std::uint64_t>();
  limit.hard = cursor.Get<std::uint64_t>();
  return limit;
}

// Reads a count and walks over that many members, so that reading them later cannot fail.
template <typename Walk>
PlanView::Section GetSection(Cursor& cursor, std::size_t most, Walk walk) {
  const auto count = cursor.Get<std::uint32_t>();
  const std::span<const std::byte> start = cursor.rest();
  if (count > most) cursor.Fail();
  for (std::uint32_t i = 0; i < count && cursor.ok(); ++i) walk(cursor);
  if (!cursor.ok()) return {};
  return {start.first(start.size() - cursor.rest().size()), count};
}

void Texts(const PlanView::Section& section, std::span<const char*> places) {
  OXHERD_CHECK(places.size() == section.count, "a place for each text of the plan");
  Cursor cursor(section.bytes);
  for (const char*& place : places) place = cursor.GetText().data();
}

}  // namespace

std::string EncodePlan(const Plan& plan) {
  std::string bytes;
  Put(bytes, kMagic);
  Put(bytes, FlagsOf(plan));
  Put(bytes, plan.identity ? plan.identity->uid : 0U);
  Put(bytes, plan.identity ? plan.identity->gid : 0U);
  Put(bytes, plan.umask.value_or(0));
  Put(bytes, plan.nice.value_or(0));
  Put(bytes, plan.oom_score_adj.value_or(0));
  const ListenGrant listen = plan.listen.value_or(ListenGrant{});
  Put(bytes, listen.number);
  for (const std::uint8_t byte : listen.secret) Put(bytes, byte);
  PutText(bytes, plan.program);
  PutText(bytes, plan.directory);
  PutText(bytes, plan.cgroup);
  Put(bytes, Count(plan.arguments.size()));
  for (const std::string& argument : plan.arguments) PutText(bytes, argument);
  Put(bytes, Count(plan.environment.size()));
  for (const std::string& variable : plan.environment) PutText(bytes, variable);
  Put(bytes, Count(plan.descriptors.size()));
  for (const MappedDescriptor& descriptor : plan.descriptors) {
    Put(bytes, descriptor.target);
    Put(bytes, std::to_underlying(descriptor.source));
    Put(bytes, std::to_underlying(descriptor.open));
    Put(bytes, descriptor.attached);
    PutText(bytes, descriptor.name);
  }
  const std::size_t groups = plan.identity ? plan.identity->groups.size() : 0;
  Put(bytes, Count(groups));
  for (std::size_t i = 0; i < groups; ++i) Put(bytes, plan.identity->groups[i]);
  Put(bytes, Count(plan.limits.size()));
  for (const ResourceLimit& limit : plan.limits) {
    Put(bytes, limit.resource);
    Put(bytes, limit.soft);
    Put(bytes, limit.hard);
  }
  return bytes;
}

std::optional<PlanView> PlanView::Open(std::span<const std::byte> bytes) {
  if (bytes.size() > kMaxPlanBytes) return std::nullopt;
  Cursor cursor(bytes);
  if (cursor.Get<std::uint32_t>() != kMagic) return std::nullopt;
  PlanView view;
  const auto flags = cursor.Get<std::uint32_t>();
  if ((flags & ~std::uint32_t{kAllFlags}) != 0) return std::nullopt;
  const auto uid = cursor.Get<std::uint32_t>();
  const auto gid = cursor.Get<std::uint32_t>();
  if ((flags & kHasIdentity) != 0) view.user_ = User{uid, gid};
  const auto umask = cursor.Get<std::uint32_t>();
  if ((flags & kHasUmask) != 0) view.umask_ = umask;
  const auto nice = cursor.Get<std::int32_t>();
  if ((flags & kHasNice) != 0) view.nice_ = nice;
  const auto oom_score_adj = cursor.Get<std::int32_t>();
  if ((flags & kHasOomScoreAdj) != 0) view.oom_score_adj_ = oom_score_adj;
  ListenGrant listen{.number = cursor.Get<std::uint16_t>(), .secret = {}};
  for (std::uint8_t& byte : listen.secret) byte = cursor.Get<std::uint8_t>();
  if ((flags & kHasListen) != 0) view.listen_ = listen;
  view.no_new_privs_ = (flags & kNoNewPrivs) != 0;
  view.program_ = cursor.GetText().data();
  view.directory_ = cursor.GetText().data();
  view.cgroup_ = cursor.GetText();
  const auto text = [](Cursor& at) { at.GetText(); };
  view.arguments_ = GetSection(cursor, kMaxTexts, text);
  view.environment_ = GetSection(cursor, kMaxTexts, text);
  view.descriptors_ =
      GetSection(cursor, kMaxMappedDescriptors, [](Cursor& at) { GetDescriptor(at); });
  view.groups_ = GetSection(cursor, kMaxGroups, [](Cursor& at) { at.Get<std::uint32_t>(); });
  view.limits_ = GetSection(cursor, kMaxLimits, [](Cursor& at) { GetLimit(at); });
  if (!cursor.ok() || !cursor.rest().empty()) return std::nullopt;
  if (view.program_[0] == '\0' || view.arguments_.count == 0) return std::nullopt;
  return view;
}

void PlanView::Arguments(std::span<const char*> places) const { Texts(arguments_, places); }

void PlanView::Environment(std::span<const char*> places) const { Texts(environment_, places); }

void PlanView::Descriptors(std::span<Descriptor> places) const {
  OXHERD_CHECK(places.size() == descriptors_.count, "a place for each descriptor of the plan");
  Cursor cursor(descriptors_.bytes);
  for (Descriptor& place : places) place = GetDescriptor(cursor);
}

void PlanView::Groups(std::span<std::uint32_t> places) const {
  OXHERD_CHECK(places.size() == groups_.count, "a place for each group of the plan");
  Cursor cursor(groups_.bytes);
  for (std::uint32_t& place : places) place = cursor.Get<std::uint32_t>();
}

void PlanView::Limits(std::span<ResourceLimit> places) const {
  OXHERD_CHECK(places.size() == limits_.count, "a place for each limit of the plan");
  Cursor cursor(limits_.bytes);
  for (ResourceLimit& place : places) place = GetLimit(cursor);
}

}  // namespace oxherd::keeper
