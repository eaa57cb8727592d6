#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "config/listen_address.h"
#include "config/nearest.h"
#include "config/rules.h"

namespace oxherd {

namespace {

class ServiceRules {
 public:
  ServiceRules(const std::vector<Draft>& drafts, const RuleContext& context)
      : drafts_(drafts), context_(context) {
    for (const Draft& draft : drafts) by_name_.emplace(draft.spec.name, &draft);
  }

  void Run() {
    for (const Draft& draft : drafts_) {
      for (const DependencySetting& setting : draft.depends_on) CheckDependency(draft, setting);
    }
    CheckCycles();
    CheckPorts();
    CheckListen();
  }

 private:
  void CheckDependency(const Draft& draft, const DependencySetting& setting) {
    const std::string& name = setting.dependency.service;
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      context_.errors.Add(setting.position, draft.PathOf("depends_on"), ExplainUnknown(name));
      return;
    }
    const Policy& policy = found->second->spec.policy;
    if (policy.scheduled) {
      context_.errors.Add(setting.position, draft.PathOf("depends_on"),
                          fmt::format("\"{}\" is run by its schedule, so nothing can wait for it; "
                                      "remove it here",
                                      name));
      return;
    }
    if (setting.dependency.kind == DependencyKind::kCompleted &&
        policy.type == ServiceType::kService && policy.restart == RestartPolicy::kAlways) {
      context_.errors.Add(setting.position, draft.PathOf("depends_on"),
                          fmt::format("\"{}\" is restarted when it ends, so it never completes; "
                                      "write \"ready\", or give it type = \"oneshot\"",
                                      name));
    }
  }

  [[nodiscard]] std::string ExplainUnknown(const std::string& name) const {
    std::vector<std::string_view> names;
    if (!context_.errors.full()) {
      for (const auto& [known, draft] : by_name_) names.push_back(known);
    }
    if (const auto nearest = Nearest(name, names)) {
      return fmt::format("there is no service \"{}\"; did you mean \"{}\"?", name, *nearest);
    }
    return fmt::format("there is no service \"{}\"; add it, or remove it here",
                       name.substr(0, kMaxServiceName));
  }

  // Takes away what depends on nothing that is left, until only cycles and what waits for them are
  // left. No recursion: a chain may be as long as the file.
  void CheckCycles() {
    std::map<std::string_view, std::size_t> open;  // service -> dependencies that are left
    std::multimap<std::string_view, std::string_view> dependents;
    for (const Draft& draft : drafts_) {
      std::size_t& count = open[draft.spec.name];
      for (const DependencySetting& setting : draft.depends_on) {
        if (!by_name_.contains(setting.dependency.service)) continue;
        ++count;
        dependents.emplace(setting.dependency.service, draft.spec.name);
      }
    }
    std::vector<std::string_view> free;
    for (const auto& [name, count] : open) {
      if (count == 0) free.push_back(name);
    }
    while (!free.empty()) {
      const std::string_view name = free.back();
      free.pop_back();
      open.erase(name);
      const auto [begin, end] = dependents.equal_range(name);
      for (auto next = begin; next != end; ++next) {
        if (--open[next->second] == 0) free.push_back(next->second);
      }
    }
    ReportCycles(open);
  }

  void ReportCycles(const std::map<std::string_view, std::size_t>& open) {
    std::set<std::string_view> seen;
    for (const Draft& draft : drafts_) {
      if (!open.contains(draft.spec.name)) continue;
      // Everything that is left depends on something that is left: following it must come round.
      std::vector<const Draft*> path;
      const Draft* now = &draft;
      while (!seen.contains(now->spec.name)) {
        seen.insert(now->spec.name);
        path.push_back(now);
        now = NextIn(*now, open);
      }
      const auto round = std::ranges::find(path, now);
      if (round != path.end()) ReportCycle({round, path.end()});
    }
  }

  [[nodiscard]] const Draft* NextIn(const Draft& draft,
                                    const std::map<std::string_view, std::size_t>& open) const {
    for (const DependencySetting& setting : draft.depends_on) {
      if (open.contains(setting.dependency.service)) {
        return by_name_.find(setting.dependency.service)->second;
      }
    }
    return &draft;
  }

  void ReportCycle(const std::vector<const Draft*>& cycle) {
    constexpr std::size_t kShownNames = 20;
    std::string names;
    for (std::size_t i = 0; i < cycle.size() && i < kShownNames; ++i) {
      names += cycle[i]->spec.name + " → ";
    }
    if (cycle.size() > kShownNames) names += "… → ";
    const Draft& first = *cycle.front();
    context_.errors.Add(first.PositionOf("depends_on"), first.PathOf("depends_on"),
                        fmt::format("a cycle: {}{}; remove one of these", names, first.spec.name));
  }

  // Two services may mean different addresses, so this is worth a word, not an error.
  void CheckPorts() {
    std::map<int, const Draft*> by_first;
    for (const Draft& draft : drafts_) {
      if (!draft.spec.port_base) continue;
      const int first = *draft.spec.port_base;
      const int last = first + draft.spec.policy.instances - 1;
      const auto after = by_first.upper_bound(last);
      if (after != by_first.begin()) {
        const Draft& other = *std::prev(after)->second;
        const int other_last = *other.spec.port_base + other.spec.policy.instances - 1;
        if (other_last >= first) {
          context_.errors.Note(
              draft.PositionOf("port_base"), draft.PathOf("port_base"),
              fmt::format("ports {} to {} overlap those of {} ({} to {})", first, last,
                          other.spec.name, *other.spec.port_base, other_last));
        }
      }
      by_first.emplace(first, &draft);
    }
  }

  // Who listens: by port, or by the whole address where it has none.
  void CheckListen() {
    std::multimap<std::string, std::pair<const Draft*, const ListenAddress*>> taken;
    for (const Draft& draft : drafts_) {
      for (const ListenAddress& address : draft.spec.policy.listen) {
        const auto port = PortOf(address);
        const std::string key = port ? std::to_string(*port) : address.address;
        const auto [begin, end] = taken.equal_range(key);
        const auto other = std::find_if(
            begin, end, [&](const auto& each) { return Overlap(*each.second.second, address); });
        if (other != end && other->second.first != &draft) {
          context_.errors.Add(
              draft.PositionOf("listen"), draft.PathOf("listen"),
              fmt::format("{} is {}'s already; two services cannot have one address",
                          Written(address), other->second.first->spec.name));
        }
        taken.emplace(key, std::pair(&draft, &address));
      }
    }
  }

  const std::vector<Draft>& drafts_;
  const RuleContext& context_;
  std::map<std::string_view, const Draft*> by_name_;
};

}  // namespace

void CheckServices(const std::vector<Draft>& drafts, const RuleContext& context) {
  ServiceRules(drafts, context).Run();
}

}  // namespace oxherd
