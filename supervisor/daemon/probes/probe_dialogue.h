// One question over TCP: look up, connect, and over HTTP ask and read; with one deadline for all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/time.h"
#include "config/endpoint.h"
#include "daemon/probes/name_lookup.h"
#include "os/steering.h"
#include "os/tcp_dump.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): Boost's name
}

namespace oxherd {

// How a question gets to one of several sockets at an address, and how it is known to be there.
struct ProbeRoute {
  std::optional<os::ProbePath> path;  // instead of the endpoint's address
  // With an empty endpoint.target: whether somebody has accepted what was connected from here.
  // Empty: the connection is enough.
  std::function<bool(const os::TcpEndpoint& from)> is_accepted;
};

class ProbeDialogue {
 public:
  struct Outcome {
    bool good = false;
    bool timed_out = false;
    std::string text;  // "200", "connection refused", "no answer in 5 s"
  };
  using Finished = std::function<void(const Outcome&)>;

  // `endpoint.target` empty: it is enough that the connection is accepted. `finished` is called
  // once, never from within Begin(), and not any more once this is destroyed.
  [[nodiscard]] static std::unique_ptr<ProbeDialogue> Begin(boost::asio::io_context& loop,
                                                            NameLookup& names,
                                                            const Endpoint& endpoint,
                                                            ProbeRoute route, Millis timeout,
                                                            Finished finished);
  virtual ~ProbeDialogue() = default;
};

}  // namespace oxherd
