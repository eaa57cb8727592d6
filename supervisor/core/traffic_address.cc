#include "core/supervisor.h"
#include "core/traffic.h"

#include <algorithm>
#include <utility>

// A bare port is opened for IPv6 and IPv4; for IPv4 alone when its program wants no other.
namespace oxherd {
namespace {

constexpr std::string_view kAnyAddress = "tcp:[::]:";
constexpr std::string_view kAnyIpv4Address = "tcp:0.0.0.0:";

// Its programs want no IPv6: a bare port is opened for IPv4 alone.
bool IsIpv4Only(const Service& service, const ListenAddress& listen) {
  return listen.any_family && service.traffic && !service.traffic->ipv4_only.empty() &&
         listen.address.starts_with(kAnyAddress) &&
         std::ranges::find(service.traffic->ipv4_only, listen.address) !=
             service.traffic->ipv4_only.end();
}

// What this address of a spec is opened as.
std::string OpenedAs(const Service& service, const ListenAddress& listen) {
  if (!IsIpv4Only(service, listen)) return listen.address;
  return std::string(kAnyIpv4Address) + listen.address.substr(kAnyAddress.size());
}

bool IsOpenedAs(const Service& service, const ListenAddress& listen, std::string_view address) {
  if (!IsIpv4Only(service, listen)) return listen.address == address;
  if (!address.starts_with(kAnyIpv4Address)) return false;
  const std::string_view port = std::string_view(listen.address).substr(kAnyAddress.size());
  return address.substr(kAnyIpv4Address.size()) == port;
}

// Nobody could ever use the pool as it is: it is opened for IPv4, and whoever has tried so far
// tries again.
void ReopenForIpv4(Context& context, Service& service, const Pool& pool, const std::string& listed,
                   const event::AddressRefused& refused) {
  Failure why;
  why.kind = Failure::Kind::kBindFamily;
  why.address = pool.address;
  why.text = refused.wanted;
  std::vector<std::pair<SlotIndex, Which>> starting;
  ForEachInstance(service, [&](SlotIndex slot, Which which, const Instance& instance) {
    if (instance.kind() == StateKind::kStarting && Uses(service, instance, pool)) {
      starting.emplace_back(slot, which);
    }
  });
  context.actions.push_back(action::ClosePool{service.name, pool.address});
  TellService(context, service, action::Tell::Kind::kReopened, service.generation, why);
  std::erase_if(service.traffic->pools,
                [&](const Pool& each) { return each.address == why.address; });
  service.traffic->ipv4_only.push_back(listed);
  for (const auto& [slot, which] : starting) {
    StepInstance(context, service, slot, which,
                 on::Refused{.then = on::Refused::Then::kTryAgain, .failure = why});
  }
}

}  // namespace

std::vector<std::string> OpenAddresses(const Service& service, Generation generation) {
  std::vector<std::string> addresses;
  for (const ListenAddress& listen : service.policy(generation).listen) {
    addresses.push_back(OpenedAs(service, listen));
  }
  return addresses;
}

bool Lists(const Service& service, Generation generation, std::string_view address) {
  return Listed(service, generation, address) != nullptr;
}

const ListenAddress* Listed(const Service& service, Generation generation,
                            std::string_view address) {
  for (const ListenAddress& listen : service.policy(generation).listen) {
    if (IsOpenedAs(service, listen, address)) return &listen;
  }
  return nullptr;
}

void NoteHeld(State& state, std::string_view service, std::string_view address) {
  Service* found = state.Find(service);
  if (found == nullptr) return;
  if (!found->traffic) found->traffic = Traffic{};
  if (FindPool(*found, address) == nullptr) {
    Pool& pool = found->traffic->pools.emplace_back();
    pool.address = address;
    pool.id = state.next_token;
    state.next_token = pool.id.Next();
  }
  if (!address.starts_with(kAnyIpv4Address)) return;
  const std::string bare =
      std::string(kAnyAddress) + std::string(address.substr(kAnyIpv4Address.size()));
  const std::vector<ListenAddress>& listen = found->policy(found->generation).listen;
  const auto asked = std::ranges::find(listen, bare, &ListenAddress::address);
  if (asked == listen.end() || !asked->any_family) return;
  if (!IsIpv4Only(*found, *asked)) found->traffic->ipv4_only.push_back(bare);
}

void AddressWasRefused(Context& context, Service& service, SlotIndex slot, Which which,
                       const event::AddressRefused& refused) {
  const Instance& instance = *Find(service.slots[slot], which);
  if (instance.kind() != StateKind::kStarting) return;
  using Why = event::AddressRefused::Why;
  const Pool* pool = FindPool(service, refused.address);
  const ListenAddress* listed = Listed(service, instance.generation, refused.address);
  if (pool == nullptr || listed == nullptr) return;
  const bool can_be_ipv4 = refused.why == Why::kFamily && listed->any_family &&
                           pool->address.starts_with(kAnyAddress) && !pool->was_ready;
  if (can_be_ipv4) {
    const std::string address = listed->address;
    const Pool old = *pool;
    return ReopenForIpv4(context, service, old, address, refused);
  }
  Failure failure;
  failure.kind =
      refused.why == Why::kFamily ? Failure::Kind::kBindFamily : Failure::Kind::kBindWidth;
  failure.address = refused.address;
  failure.text = refused.wanted;
  StepInstance(context, service, slot, which,
               on::Refused{.then = on::Refused::Then::kFails, .failure = failure});
}

}  // namespace oxherd
