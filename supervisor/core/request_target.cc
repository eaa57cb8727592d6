#include "core/request_target.h"

#include <algorithm>

#include "base/number.h"

namespace oxherd {
namespace {

Target ParseTarget(const std::string& name) {
  const std::size_t slash = name.find('/');
  Target target{.service = name.substr(0, slash), .slot = std::nullopt};
  if (slash == std::string::npos) return target;
  target.slot = ParseNumber<SlotIndex>(std::string_view(name).substr(slash + 1));
  return target;
}

}  // namespace

std::vector<Target> TargetsOf(const event::Request& request) {
  std::vector<Target> targets;
  if (!request.names.empty()) {
    for (const std::string& name : request.names) targets.push_back(ParseTarget(name));
    return targets;
  }
  for (const SpecPtr& spec : request.specs) {
    if (request.verb == Verb::kStart && !spec->policy.autostart) continue;
    targets.push_back({.service = spec->name, .slot = std::nullopt});
  }
  return targets;
}

std::vector<std::string> NamesOf(const std::vector<Target>& targets) {
  std::vector<std::string> names;
  for (const Target& target : targets) {
    if (std::ranges::find(names, target.service) == names.end()) names.push_back(target.service);
  }
  return names;
}

std::optional<SlotIndex> SlotOf(const std::vector<Target>& targets, const std::string& service) {
  const auto found = std::ranges::find(targets, service, &Target::service);
  return found == targets.end() ? std::nullopt : found->slot;
}

SpecPtr SpecFor(const event::Request& request, std::string_view name) {
  for (const SpecPtr& spec : request.specs) {
    if (spec->name == name) return spec;
  }
  return nullptr;
}

RequestItem FailedItem(const std::string& service, Verb verb, Failure::Kind kind, Verb by) {
  RequestItem item{.service = service, .verb = verb, .outcome = Outcome::kFailed};
  item.failure.kind = kind;
  item.failure.verb = by;
  item.failure.service = service;
  return item;
}

}  // namespace oxherd
