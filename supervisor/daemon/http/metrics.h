// What Prometheus reads: the state of services, instances and sockets as text.
//
// Pure. Two formats of the same figures: OpenMetrics 1.0, and Prometheus' own older one for whoever
// does not ask for the first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/message.h"

namespace oxherd {

enum class MetricsFormat : std::uint8_t { kOpenMetrics, kPrometheus };

// What the header "Accept" asks for.
[[nodiscard]] MetricsFormat FormatFor(std::string_view accept);
[[nodiscard]] std::string_view ContentTypeOf(MetricsFormat format);

// How reloads of a service by people have ended since this daemon began.
struct ReloadCounts {
  std::uint64_t done = 0;
  std::uint64_t rolled_back = 0;
};

struct Figures {
  std::vector<control::ServiceDetail> services;
  std::vector<ReloadCounts> reloads;  // in the order of `services`
  control::DaemonDetail daemon;
};

[[nodiscard]] std::string MetricsText(const Figures& figures, MetricsFormat format);

}  // namespace oxherd
