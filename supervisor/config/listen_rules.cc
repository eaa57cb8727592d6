#include <fmt/format.h>

#include <algorithm>

#include "config/environment.h"
#include "config/listen_address.h"
#include "config/rules.h"

namespace oxherd {

namespace {

constexpr Millis kDefaultDrain{200};

class ListenRules {
 public:
  ListenRules(Draft& draft, const RuleContext& context)
      : draft_(draft), context_(context), policy_(draft.spec.policy) {}

  void Run() {
    const auto listen = draft_.expandables.find("listen");
    const bool is_auto = policy_.auto_listen != AutoListen::kNo;
    const bool listens = is_auto || (listen != draft_.expandables.end() && !listen->second.empty());
    if (listens && draft_.Find("drain_ms") == nullptr) {
      policy_.drain = std::min(kDefaultDrain, policy_.drain_max);
    }
    CheckDrain(listens);
    if (!listens) return;
    if (policy_.type == ServiceType::kOneshot) {
      return Error("a oneshot serves nobody; remove this, or type = \"oneshot\"");
    }
    if (draft_.spec.port_base) {
      return Error("gives all instances one port, port_base each its own; keep one of the two");
    }
    if (policy_.instances > kMaxListenInstances) {
      Error(fmt::format("at most {} instances can share an address; instances is {}",
                        kMaxListenInstances, policy_.instances));
    }
    if (is_auto) return;
    std::vector<ListenAddress> addresses;
    for (const Expandable& text : listen->second) Add(text, addresses);
    policy_.listen = std::move(addresses);
  }

 private:
  void Error(std::string message) {
    context_.errors.Add(draft_.PositionOf("listen"), draft_.PathOf("listen"), std::move(message));
  }

  void CheckDrain(bool listens) {
    if (policy_.drain > policy_.drain_max) {
      const char* key = draft_.HasOwn("drain_ms") ? "drain_ms" : "drain_max_ms";
      context_.errors.Add(draft_.PositionOf(key), draft_.PathOf(key),
                          fmt::format("drain_ms ({}) is more than drain_max_ms ({})",
                                      policy_.drain.count(), policy_.drain_max.count()));
    }
    for (const char* key : {"drain_ms", "drain_max_ms"}) {
      if (listens || !draft_.HasOwn(key)) continue;
      context_.errors.Note(draft_.PositionOf(key), draft_.PathOf(key),
                           "does nothing without listen: who connects to whom is not known");
    }
  }

  // The same for all instances: one that differs has a socket of its own, and that is port_base.
  std::optional<std::string> Expanded(const Expandable& text) {
    std::optional<std::string> first;
    for (const SlotIndex slot : {SlotIndex{0}, SlotIndex{1}}) {
      const SpawnIdentity identity{slot, Generation(1), Token(1)};
      const auto environment =
          BuildEnvironment(draft_.spec, identity, context_.options.base_environment);
      if (!environment) return std::nullopt;  // has its own error
      auto expanded = Expand(text.text, *environment, slot);
      if (!expanded) return std::nullopt;
      if (first && *first != *expanded) {
        context_.errors.Add(text.position, draft_.PathOf("listen"),
                            "all instances share these addresses, so ${INSTANCE} cannot be in "
                            "them; for a port each write port_base");
        return std::nullopt;
      }
      first = std::move(*expanded);
    }
    return first;
  }

  void Add(const Expandable& text, std::vector<ListenAddress>& addresses) {
    const auto expanded = Expanded(text);
    if (!expanded) return;
    auto address = ParseListenAddress(*expanded, draft_.spec.working_dir);
    if (!address) {
      context_.errors.Add(text.position, draft_.PathOf("listen"), address.error().message);
      return;
    }
    const auto other = std::ranges::find_if(
        addresses, [&](const ListenAddress& each) { return Overlap(each, *address); });
    if (other != addresses.end()) {
      context_.errors.Add(
          text.position, draft_.PathOf("listen"),
          fmt::format("{} is in {} already; keep one of them", Written(*address), Written(*other)));
      return;
    }
    addresses.push_back(std::move(*address));
  }

  Draft& draft_;
  const RuleContext& context_;
  Policy& policy_;
};

}  // namespace

void FinishListen(Draft& draft, const RuleContext& context) { ListenRules(draft, context).Run(); }

}  // namespace oxherd
