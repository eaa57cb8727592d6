#include "daemon/http/metrics.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace oxherd {
namespace {

using control::Health;
using control::Row;

constexpr std::array<std::string_view, 12> kStates = {
    "waiting", "starting", "ready",  "unhealthy", "draining", "stopping",
    "killing", "backoff",  "exited", "failed",    "stopped",  "done"};

enum class Type : std::uint8_t { kGauge, kCounter };

// `\`, `"` and line ends in a label's value; names are plain anyway.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\' || c == '"') escaped += '\\';
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

class Writer {
 public:
  explicit Writer(MetricsFormat format) : format_(format) {}

  // Begins a family. In OpenMetrics a counter's family has no "_total", its samples have.
  void Family(std::string_view name, Type type, std::string_view help) {
    const bool is_counter = type == Type::kCounter;
    sample_ = fmt::format("oxherd_{}{}", name, is_counter ? "_total" : "");
    const bool is_open = format_ == MetricsFormat::kOpenMetrics;
    const std::string family = is_open ? fmt::format("oxherd_{}", name) : sample_;
    text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", family,
                         is_counter ? "counter" : "gauge", help);
  }

  template <typename Number>
  void Sample(std::string_view labels, Number number) {
    text_ += labels.empty() ? fmt::format("{} {}\n", sample_, number)
                            : fmt::format("{}{{{}}} {}\n", sample_, labels, number);
  }

  std::string Take() && {
    if (format_ == MetricsFormat::kOpenMetrics) text_ += "# EOF\n";
    return std::move(text_);
  }

 private:
  MetricsFormat format_;
  std::string sample_;
  std::string text_;
};

std::string LabelsOf(const control::ServiceDetail& service) {
  return fmt::format("service=\"{}\"", Escaped(service.name));
}

std::string LabelsOf(const Row& row) {
  return fmt::format("service=\"{}\",instance=\"{}\"", Escaped(row.service), row.slot);
}

// A family of one sample for each instance that has such a figure.
template <typename Figure>
void PerInstance(Writer& out, const Figures& figures, std::string_view name, Type type,
                 std::string_view help, Figure figure) {
  out.Family(name, type, help);
  for (const control::ServiceDetail& service : figures.services) {
    for (const Row& row : service.instances) {
      if (const auto value = figure(row)) out.Sample(LabelsOf(row), *value);
    }
  }
}

void WriteStates(Writer& out, const Figures& figures) {
  out.Family("instance_state", Type::kGauge, "1 for the state that the instance is in.");
  for (const control::ServiceDetail& service : figures.services) {
    for (const Row& row : service.instances) {
      for (const std::string_view state : kStates) {
        out.Sample(fmt::format("{},state=\"{}\"", LabelsOf(row), state),
                   row.state == state ? 1 : 0);
      }
    }
  }
}

void WriteInstances(Writer& out, const Figures& figures) {
  using Count = std::optional<std::uint64_t>;
  using Real = std::optional<double>;
  WriteStates(out, figures);
  PerInstance(out, figures, "instance_restarts", Type::kCounter,
              "Starts after the first, of this generation in its slot.",
              [](const Row& row) { return Count(row.restarts); });
  PerInstance(out, figures, "instance_generation", Type::kGauge, "The generation it runs.",
              [](const Row& row) { return Count(row.generation.number()); });
  PerInstance(out, figures, "instance_uptime_seconds", Type::kGauge, "How old its process is.",
              [](const Row& row) {
                return row.uptime_ms ? Real(static_cast<double>(*row.uptime_ms) / 1000) : Real();
              });
  PerInstance(
      out, figures, "instance_cpu_usage_ratio", Type::kGauge,
      "CPU of the process tree since it was last measured; 1 is one core.",
      [](const Row& row) { return row.cpu_percent ? Real(*row.cpu_percent / 100) : Real(); });
  PerInstance(out, figures, "instance_memory_bytes", Type::kGauge,
              "Resident memory of the process tree.",
              [](const Row& row) { return Count(row.memory_bytes); });
  PerInstance(out, figures, "instance_healthy", Type::kGauge,
              "1 if its last health check succeeded.", [](const Row& row) {
                if (!row.health || row.health->kind == Health::Kind::kUnknown) return Count();
                return Count(row.health->kind == Health::Kind::kGood ? 1 : 0);
              });
  PerInstance(out, figures, "instance_health_latency_seconds", Type::kGauge,
              "How long the last answer to its health check took.", [](const Row& row) {
                if (!row.health || !row.health->ms) return Real();
                return Real(static_cast<double>(*row.health->ms) / 1000);
              });
}

void WriteReloads(Writer& out, const Figures& figures) {
  out.Family("service_reloads", Type::kCounter, "Reloads since the daemon began, by their end.");
  for (std::size_t i = 0; i < figures.services.size() && i < figures.reloads.size(); ++i) {
    const std::string labels = LabelsOf(figures.services[i]);
    out.Sample(labels + ",outcome=\"reloaded\"", figures.reloads[i].done);
    out.Sample(labels + ",outcome=\"rolled_back\"", figures.reloads[i].rolled_back);
  }
  out.Family("service_last_reload_success", Type::kGauge, "1 if the last reload succeeded.");
  for (const control::ServiceDetail& service : figures.services) {
    if (!service.last_reload) continue;
    out.Sample(LabelsOf(service), service.last_reload->succeeded ? 1 : 0);
  }
}

void WriteServices(Writer& out, const Figures& figures) {
  out.Family("service_wanted", Type::kGauge, "0 if a person stopped it.");
  for (const auto& service : figures.services)
    out.Sample(LabelsOf(service), service.wanted ? 1 : 0);
  out.Family("service_ready", Type::kGauge, "1 if every instance of it is ready.");
  for (const auto& service : figures.services) out.Sample(LabelsOf(service), service.ready ? 1 : 0);
  WriteReloads(out, figures);
  out.Family("accept_queue_connections", Type::kGauge,
             "Clients that wait in the accept queue of a socket.");
  for (const control::ServiceDetail& service : figures.services) {
    for (const control::PoolRow& pool : service.pools) {
      for (const control::PoolRow::Socket& socket : pool.sockets) {
        out.Sample(fmt::format("{},address=\"{}\",socket=\"{}\"", LabelsOf(service),
                               Escaped(pool.address), socket.number),
                   socket.waiting);
      }
    }
  }
  out.Family("connections_reset", Type::kCounter, "Clients that nobody would have served.");
  for (const control::ServiceDetail& service : figures.services) {
    if (!service.pools.empty()) out.Sample(LabelsOf(service), service.swept);
  }
}

}  // namespace

MetricsFormat FormatFor(std::string_view accept) {
  return accept.find("application/openmetrics-text") == std::string_view::npos
             ? MetricsFormat::kPrometheus
             : MetricsFormat::kOpenMetrics;
}

std::string_view ContentTypeOf(MetricsFormat format) {
  return format == MetricsFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string MetricsText(const Figures& figures, MetricsFormat format) {
  Writer out(format);
  out.Family("build_info", Type::kGauge, "The version of the daemon.");
  out.Sample(fmt::format("version=\"{}\"", Escaped(figures.daemon.version)), 1);
  out.Family("daemon_uptime_seconds", Type::kGauge, "How old the daemon is.");
  out.Sample("", static_cast<double>(figures.daemon.uptime_ms) / 1000);
  out.Family("daemon_starts", Type::kCounter, "Daemons that the keeper has started.");
  out.Sample("", figures.daemon.daemon_number);
  WriteServices(out, figures);
  WriteInstances(out, figures);
  return std::move(out).Take();
}

}  // namespace oxherd
