#include "keeper/handover.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "os/clock.h"
#include "os/fd.h"
#include "os/local_socket.h"
#include "os/message_socket.h"

namespace oxherd::keeper {
namespace {

constexpr std::size_t kMostEstateBytes = std::size_t{32} << 20;
constexpr std::byte kPart{'p'};
constexpr std::byte kThanks{'t'};
constexpr Duration kBetweenTries = Millis(50);

bool WaitFor(int socket, short events, Instant until) {
  pollfd waiting{.fd = socket, .events = events, .revents = 0};
  const std::int64_t left = std::max<std::int64_t>(ToMillis(until - os::Now()), 0);
  return ::poll(&waiting, 1, static_cast<int>(left)) > 0;
}

bool Send(int socket, std::byte what, std::span<const int> descriptors, Instant until) {
  for (;;) {
    const os::SystemStatus sent =
        os::SendMessage(socket, std::span(&what, std::size_t{1}), descriptors);
    if (sent) return true;
    const int number = sent.error().number;
    // ETOOMANYREFS: more are in flight than we may have; the other side takes them out.
    if (number != EAGAIN && number != ETOOMANYREFS) return false;
    if (!WaitFor(socket, POLLOUT, until) || os::Now() >= until) return false;
  }
}

// One part: exactly one byte, and the descriptors that came with it.
bool Receive(int socket, std::byte& what, std::vector<os::Fd>& descriptors, Instant until) {
  for (;;) {
    if (!WaitFor(socket, POLLIN, until)) return false;
    os::SystemResult<os::Received> received =
        os::ReceiveMessage(socket, std::span(&what, std::size_t{1}));
    if (!received && received.error().number == EAGAIN) continue;
    if (!received || received->size != 1 || !received->complete) return false;
    for (os::Fd& one : std::span(received->descriptors).first(received->descriptor_count)) {
      descriptors.push_back(std::move(one));
    }
    return true;
  }
}

bool Give(int socket, const Estate& estate, Instant until) {
  Estate numbered = estate;
  std::vector<int> descriptors(1, -1);  // the first is the memfd with the estate
  ForEachDescriptor(numbered, [&](std::int32_t& number) {
    if (number < 0) return;
    const auto place = static_cast<std::int32_t>(descriptors.size());
    descriptors.push_back(std::exchange(number, place));
  });
  const std::string bytes = EncodeEstate(numbered);
  const auto memfd = os::MakeSealedMemfd("oxherd-estate", std::as_bytes(std::span(bytes)));
  if (!memfd) return false;
  descriptors.front() = memfd->get();
  std::span<const int> left(descriptors);
  while (!left.empty()) {
    const std::span<const int> part = left.first(std::min(left.size(), os::kMaxPassed));
    if (!Send(socket, kPart, part, until)) return false;
    left = left.subspan(part.size());
  }
  if (::shutdown(socket, SHUT_WR) != 0) return false;
  std::byte answer{};
  std::vector<os::Fd> nothing;
  return Receive(socket, answer, nothing, until) && answer == kThanks;
}

// Reads to the end, puts each descriptor where its number is, and says thanks.
std::optional<Estate> Take(int socket, Instant until) {
  std::vector<os::Fd> descriptors;
  std::byte what{};
  while (Receive(socket, what, descriptors, until)) {
  }
  if (descriptors.empty()) return std::nullopt;
  const auto mapping = os::Mapping::Open(descriptors.front().get(), kMostEstateBytes);
  if (!mapping) return std::nullopt;
  Result<Estate> estate = DecodeEstate(mapping->bytes());
  if (!estate) return std::nullopt;
  bool is_whole = true;
  ForEachDescriptor(*estate, [&](std::int32_t& number) {
    if (number < 0) return;
    const auto place = static_cast<std::size_t>(number);
    is_whole = is_whole && place > 0 && place < descriptors.size() && descriptors[place];
    number = is_whole ? descriptors[place].Release() : -1;
  });
  // What was taken out is closed with us: whoever asked again gets it from the one who still has
  // it.
  if (!is_whole || !Send(socket, kThanks, {}, until)) return std::nullopt;
  return std::move(*estate);
}

}  // namespace

bool HandOver(const std::string& runtime, const Estate& estate, Duration patience) {
  const Instant until = os::Now() + patience;
  const os::Fd folder(::open(runtime.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return false;
  const Result<os::Fd> listening = os::ListenLocally(folder.get(), kTakeOverName);
  bool is_given = false;
  while (listening && !is_given && WaitFor(listening->get(), POLLIN, until)) {
    const os::Fd asking(::accept4(listening->get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!asking) break;
    const Result<os::Peer> peer = os::PeerOf(asking.get());
    if (peer && peer->uid == ::geteuid()) is_given = Give(asking.get(), estate, until);
  }
  ::unlinkat(folder.get(), kTakeOverName, 0);
  return is_given;
}

std::optional<Estate> AskForEstate(const std::string& runtime, Duration patience) {
  const Instant until = os::Now() + patience;
  for (;;) {
    if (const Result<os::Fd> socket = os::ConnectLocally(runtime, kTakeOverName)) {
      if (auto estate = Take(socket->get(), until)) return estate;
    }
    // He may not listen yet: he has only just heard that his keeper is dead.
    if (os::Now() + kBetweenTries >= until) return std::nullopt;
    ::poll(nullptr, 0, static_cast<int>(ToMillis(kBetweenTries)));
  }
}

}  // namespace oxherd::keeper
