#include "daemon/probes/name_lookup.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <utility>

#include "daemon/later.h"
#include "os/clock.h"

namespace oxherd {
namespace {

using Addresses = std::vector<std::string>;

bool IsAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  const std::string without_zone = host.substr(0, host.find('%'));
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, without_zone.c_str(), bytes.data()) == 1;
}

// Blocks: off the loop only.
Result<Addresses> AskTheSystem(const std::string& host) {
  // The resolver's state is this thread's own (resolver(3)).
  res_init();
  _res.retrans = 1;
  _res.retry = 1;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* first = nullptr;
  const int failed = getaddrinfo(host.c_str(), nullptr, &hints, &first);
  if (failed != 0) return MakeError(host + ": " + gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(first, &freeaddrinfo);
  Addresses addresses;
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) == 0 &&
        std::ranges::find(addresses, text.data()) == addresses.end()) {
      addresses.emplace_back(text.data());
    }
  }
  if (addresses.empty()) return MakeError(host + ": has no address");
  return addresses;
}

}  // namespace

NameLookup::NameLookup(boost::asio::io_context& loop, RunOffLoop run_off_loop)
    : loop_(loop),
      run_off_loop_(std::move(run_off_loop)),
      self_(std::make_shared<NameLookup*>(this)) {}

NameLookup::~NameLookup() { *self_ = nullptr; }

void NameLookup::Ask(const std::string& host, Found found) {
  if (IsAddress(host)) return found(Addresses{host});
  if (host == "localhost") return found(Addresses{"127.0.0.1", "::1"});
  if (const auto entry = known_.find(host); entry != known_.end()) {
    if (os::Now() < entry->second.until) return found(entry->second.addresses);
    known_.erase(entry);
  }
  auto& waiting = asked_[host];
  waiting.push_back(std::move(found));
  if (waiting.size() > 1) return;
  run_off_loop_([self = self_, &loop = loop_, host] {
    auto addresses = AskTheSystem(host);
    CallLater(loop, [self, host, addresses = std::move(addresses)]() mutable {
      if (*self != nullptr) (*self)->Learn(host, std::move(addresses));
    });
  });
}

void NameLookup::Learn(const std::string& host, Result<Addresses> addresses) {
  if (known_.size() >= kMaxRemembered) known_.clear();
  known_.insert_or_assign(host, Entry{addresses, os::Now() + kRemember});
  const auto waiting = asked_.extract(host);
  if (waiting.empty()) return;
  for (const Found& found : waiting.mapped()) found(addresses);
}

}  // namespace oxherd
