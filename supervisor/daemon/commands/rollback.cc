#include "daemon/commands/rollback.h"

#include "daemon/commands/spec_sources.h"

namespace oxherd {
namespace {

const KeptSpec* LastGood(const Service& service) {
  for (std::size_t i = service.specs.size(); i-- > 0;) {
    const KeptSpec& kept = service.specs[i];
    if (kept.generation < service.generation && kept.was_ready &&
        !Differences(*kept.spec, service.spec()).empty()) {
      return &kept;
    }
  }
  return nullptr;
}

std::string WhatIsKept(const Service& service) {
  std::string numbers;
  for (const KeptSpec& each : service.specs) {
    if (each.generation == service.generation) continue;
    numbers += (numbers.empty() ? "" : ", ") + std::to_string(each.generation.number());
  }
  return numbers.empty() ? "none is kept" : "kept: " + numbers + "; --to N takes one of them";
}

}  // namespace

Result<EarlierSpec> ChooseEarlier(const Service& service, Generation to) {
  const KeptSpec* const kept = to.is_set() ? service.Find(to) : LastGood(service);
  if (kept != nullptr) {
    return EarlierSpec{.spec = kept->spec,
                       .note = service.name + " has the definition of generation " +
                               std::to_string(kept->generation.number()) +
                               " again; the next reload, or a boot, reads " +
                               kept->spec->source_file + " anew"};
  }
  if (to.is_set()) {
    return MakeError("generation " + std::to_string(to.number()) + " of " + service.name +
                     " is not kept; " + WhatIsKept(service));
  }
  return MakeError(service.name + " has no earlier definition that was ready and differs; " +
                   WhatIsKept(service));
}

}  // namespace oxherd
