// What the keys of a service mean together: defaults that depend on each other, and conflicts.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "config/draft.h"
#include "config/env_files.h"
#include "config/error_list.h"
#include "config/oxfile.h"

namespace oxherd {

// Of all services of a file together: what [defaults] and shared env files say is kept for each.
constexpr std::size_t kMaxEnvironmentBytes = std::size_t{64} * 1024 * 1024;

struct RuleContext {
  ErrorList& errors;
  const ReadOptions& options;
  const FileAccess& files;
  EnvFiles& env_files;
  std::size_t& environment_bytes;  // so far
};

// The finished spec of a draft; what is wrong goes to the errors.
[[nodiscard]] Spec FinishService(Draft& draft, const RuleContext& context);

// Before that, of OxMgr's dialect: says in our keys what its own mean together.
void FinishApp(Draft& draft, const RuleContext& context);

// Its parts, in this order, each on the draft's spec.
void FinishPolicy(Draft& draft, const RuleContext& context);  // counts, restart, reload
void FinishTimes(Draft& draft, const RuleContext& context);   // which of cron's keys fits
void FinishWatch(Draft& draft, const RuleContext& context);   // where the folders are
void FinishEnvironment(Draft& draft,
                       const RuleContext& context);           // Spec::env; every `${…}` is known
void FinishListen(Draft& draft, const RuleContext& context);  // the addresses, and drain
void FinishHealth(Draft& draft, const RuleContext& context);  // the check, and what proves ready

// Between services: names in depends_on, cycles, ports given out twice.
void CheckServices(const std::vector<Draft>& drafts, const RuleContext& context);

}  // namespace oxherd
