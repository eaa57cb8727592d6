// Which instances a command that only looks is about.
#include <algorithm>
#include <span>

#include "control/target.h"
#include "daemon/commands/command_reader.h"
#include "daemon/commands/name_pattern.h"

namespace oxherd {
namespace {

using control::Target;

class Selection {
 public:
  explicit Selection(const CommandContext& context) : context_(context), state_(context.state) {}

  Status Add(const std::string& typed) {
    if (IsForSeveral(typed)) return AddSeveral(typed);
    const auto target = control::ParseTarget(
        typed, [this](std::string_view name) { return state_.Find(name) != nullptr; });
    if (!target) return Unknown(typed);
    switch (target->kind) {
      case Target::Kind::kAll:
        for (const Service& service : state_.services) AddService(service);
        return {};
      case Target::Kind::kService:
        AddService(*state_.Find(target->service));
        return {};
      case Target::Kind::kInstance:
        return AddInstance({target->service, target->slot}, typed);
      case Target::Kind::kId:
        break;
    }
    const std::optional<InstanceId> row = context_.find_row(target->id);
    if (!row) return MakeError("no row " + typed + " in the list");
    chosen_.push_back(*row);
    return {};
  }

  [[nodiscard]] std::vector<InstanceId> Take() && { return std::move(chosen_); }

 private:
  // One that has never run has no slots yet, and is shown all the same.
  void AddService(const Service& service) {
    for (std::size_t slot = 0; slot < std::max<std::size_t>(service.slots.size(), 1); ++slot) {
      chosen_.push_back({service.name, static_cast<SlotIndex>(slot)});
    }
  }

  Status AddInstance(const InstanceId& instance, const std::string& typed) {
    const std::size_t count = state_.Find(instance.service)->slots.size();
    if (instance.slot >= count) {
      return MakeError("no instance \"" + typed + "\"; " + instance.service + " has " +
                       std::to_string(count));
    }
    chosen_.push_back(instance);
    return {};
  }

  Status AddSeveral(std::string_view typed) {
    std::vector<KnownName> known;
    known.reserve(state_.services.size());
    for (const Service& service : state_.services) {
      known.push_back({service.name, service.spec().name_space});
    }
    OXHERD_TRY_ASSIGN(const std::vector<std::string> names, NamesMeant(typed, known));
    for (const std::string& name : names) AddService(*state_.Find(name));
    return {};
  }

  [[nodiscard]] Status Unknown(const std::string& typed) const {
    std::vector<std::string_view> known;
    known.reserve(state_.services.size());
    for (const Service& service : state_.services) known.push_back(service.name);
    return MakeError(ExplainUnknownName(typed, known));
  }

  const CommandContext& context_;
  const State& state_;
  std::vector<InstanceId> chosen_;
};

}  // namespace

std::expected<std::vector<InstanceId>, control::Reply> ReadSelection(
    const control::Request& request, const CommandContext& context) {
  Selection selection(context);
  const std::vector<std::string> all = {"all"};
  for (const std::string& typed : request.names.empty() ? all : request.names) {
    if (auto added = selection.Add(typed); !added) {
      control::Reply refusal;
      refusal.command = request.command;
      refusal.code = control::ExitCode::kAskedWrongly;
      refusal.error = std::move(added).error().message;
      return std::unexpected(std::move(refusal));
    }
  }
  return std::move(selection).Take();
}

}  // namespace oxherd
