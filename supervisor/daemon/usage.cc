#include "daemon/usage.h"

#include "os/clock.h"
#include "os/tree_usage.h"

namespace oxherd {

void UsageSampler::Begin(Instant now) {
  until_ = now + kBudget;
  ++question_;
}

Usage UsageSampler::Of(Token token, Pid pid) {
  const auto [place, is_new] = samples_.try_emplace(token);
  Sample& sample = place->second;
  sample.question = question_;
  const Instant now = os::Now();
  const Duration left = until_ - now;
  const Duration good_enough = left < kBudget / 2 ? kStale : kFresh;
  const bool has_figures = !is_new && sample.at != Instant();
  if (left <= Duration::zero() || (has_figures && now - sample.at < good_enough)) {
    return sample.usage;
  }
  const os::TreeUsage tree = os::MeasureTree({pid});
  if (has_figures && tree.cpu >= sample.cpu) {
    using InSeconds = std::chrono::duration<double>;
    sample.usage.cpu_percent =
        100.0 * InSeconds(tree.cpu - sample.cpu) / InSeconds(now - sample.at);
  }
  sample.usage.memory_bytes = tree.resident_bytes;
  sample.at = now;
  sample.cpu = tree.cpu;
  return sample.usage;
}

void UsageSampler::End() {
  std::erase_if(samples_, [this](const auto& entry) {
    return question_ - entry.second.question >= kKeptQuestions;
  });
}

}  // namespace oxherd
