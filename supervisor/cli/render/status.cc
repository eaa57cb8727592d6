#include "cli/render/status.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/render/list.h"
#include "control/words.h"

namespace oxherd::cli {
namespace {

using control::DurationText;
using control::Row;
using control::ServiceDetail;

constexpr std::size_t kMostInstances = 50;

std::string Join(const std::vector<std::string>& parts) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!joined.empty()) joined += ", ";
    joined += Clean(part);
  }
  return joined;
}

// "  command     node server.js"; nothing where there is nothing to say.
void AddLine(std::string& out, std::string_view label, const std::string& text) {
  if (!text.empty()) out += fmt::format("  {:<13} {}\n", label, text);
}

std::string Headline(const ServiceDetail& detail) {
  const auto ready = std::ranges::count(detail.instances, "ready", &Row::state);
  if (detail.type == "oneshot" && !detail.instances.empty()) return detail.instances[0].state;
  if (detail.instances.empty()) return detail.wanted ? "waiting" : "stopped";
  if (ready == static_cast<std::ptrdiff_t>(detail.instances.size())) {
    return detail.instances.size() == 1 ? "ready" : fmt::format("ready, {} instances", ready);
  }
  if (!detail.wanted) return detail.instances[0].pid.is_set() ? "stopping" : "stopped";
  return fmt::format("{} of {} ready", ready, detail.instances.size());
}

std::string GenerationLine(const ServiceDetail& detail, std::int64_t now) {
  std::string text = std::to_string(detail.generation.number());
  if (detail.running_since_unix_ms) {
    text += fmt::format(", running since {} ({})", ClockText(*detail.running_since_unix_ms, now),
                        DurationText(now - *detail.running_since_unix_ms));
  }
  if (detail.reloading) text += ", a reload is under way";
  return text;
}

std::string ReloadLine(const ServiceDetail& detail, std::int64_t now) {
  if (!detail.last_reload) return "";
  const control::ReloadRecord& reload = *detail.last_reload;
  if (reload.succeeded) {
    return fmt::format("to generation {} at {}, done", reload.target.number(),
                       ClockText(reload.ended_unix_ms, now));
  }
  return fmt::format("to generation {} at {}, rolled back: {}", reload.target.number(),
                     ClockText(reload.ended_unix_ms, now), Clean(reload.reason));
}

std::string FileLine(const ServiceDetail& detail) {
  if (!detail.file_problem.empty()) return Clean(detail.file_problem);
  if (detail.differences.empty()) return "";
  return fmt::format("{} now differ from what runs: oxherd reload {}", Join(detail.differences),
                     Clean(detail.name));
}

std::string ExitLine(const Row& row, std::int64_t now) {
  if (!row.last_exit) return "";
  std::string text = row.last_exit->Text();
  if (!row.reason.empty()) text += " (" + Clean(row.reason) + ")";
  if (row.next_try_unix_ms) text += ", next try " + ClockText(*row.next_try_unix_ms, now);
  return text;
}

std::string RunLine(const Row& row) {
  std::string text =
      fmt::format("pid {}, up {}", row.pid.number(), DurationText(row.uptime_ms.value_or(0)));
  if (row.cpu_percent) text += fmt::format(", cpu {:.0f}%", *row.cpu_percent);
  if (row.memory_bytes) text += ", memory " + control::BytesText(*row.memory_bytes);
  return text;
}

// "api 0", as `oxherd instance` takes it.
std::string InstanceWords(const Row& row) {
  return Clean(row.service) + " " + std::to_string(row.slot);
}

std::string RenderInstance(const Screen& screen, const Row& row, std::int64_t now) {
  const StateLabel label = LabelOf(row);
  std::string out =
      fmt::format("\n{}  {}\n", Clean(row.name()), Painted(screen, label.paint, label.text));
  if (row.pid.is_set()) AddLine(out, "process", RunLine(row));
  AddLine(out, "generation", std::to_string(row.generation.number()));
  AddLine(out, "waits for", Join(row.waits_for));
  if (row.next_run_unix_ms) AddLine(out, "next run", ClockText(*row.next_run_unix_ms, now));
  if (row.health) AddLine(out, "health", HealthText(row));
  if (row.restarts > 0) AddLine(out, "restarts", std::to_string(row.restarts));
  AddLine(out, row.last_exit ? "last exit" : "reason",
          row.last_exit ? ExitLine(row, now) : Clean(row.reason));
  AddLine(out, "replaced",
          row.replaced_unix_ms
              ? ClockText(*row.replaced_unix_ms, now) + ": " + Clean(row.replaced_because)
              : "");
  AddLine(out, "says", Clean(row.says));
  AddLine(out, "remark", Clean(row.remark));
  AddLine(out, "traffic",
          row.taken_out
              ? "taken out: oxherd instance " + InstanceWords(row) + " --resume brings it back"
              : "");
  AddLine(out, "log", Clean(row.out_log));
  if (row.err_log != row.out_log) AddLine(out, "error log", Clean(row.err_log));
  return out;
}

std::string RenderEvents(const ServiceDetail& detail, std::int64_t now) {
  if (detail.events.empty()) return "";
  std::string out = "\nlast events\n";
  for (const control::Happening& happening : detail.events) {
    out += fmt::format("  {}  {}\n", ClockText(happening.unix_ms, now), Clean(happening.text));
  }
  return out;
}

// "  :3000         api/0 and api/1 in traffic, 3 clients wait · 1 more is kept for a reload".
std::string PoolText(const control::PoolRow& pool) {
  if (!pool.steering.empty()) return "steering: " + Clean(pool.steering);
  std::vector<std::string> parts;
  std::uint32_t spare = 0;
  for (const control::PoolRow::Socket& socket : pool.sockets) {
    std::string text = Clean(socket.holder);
    if (text.empty() && !socket.in_traffic && !socket.is_down && socket.waiting == 0) {
      ++spare;
      continue;
    }
    if (text.empty()) text = "nobody yet";
    text += socket.is_down ? " (shut down)" : socket.in_traffic ? " in traffic" : " out of traffic";
    if (socket.waiting > 0) text += fmt::format(", {} waiting", socket.waiting);
    parts.push_back(std::move(text));
  }
  if (spare > 0) parts.push_back(fmt::format("{} spare", spare));
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : " · ") + part;
  return text;
}

std::string RenderPools(const ServiceDetail& detail) {
  std::string out;
  for (const control::PoolRow& pool : detail.pools) {
    AddLine(out, Clean(pool.address), PoolText(pool));
  }
  if (detail.swept > 0) {
    AddLine(out, "reset", fmt::format("{} clients that nobody would have served", detail.swept));
  }
  return out;
}

}  // namespace

std::string RenderStatus(const Screen& screen, const ServiceDetail& detail,
                         std::int64_t now_unix_ms) {
  std::string out =
      fmt::format("{}  {}\n", Painted(screen, Paint::kBold, Clean(detail.name)), Headline(detail));
  AddLine(out, "type", detail.type == "oneshot" ? "oneshot" : "");
  AddLine(out, "namespace", detail.name_space.empty() ? "" : "@" + Clean(detail.name_space));
  AddLine(out, "generation", GenerationLine(detail, now_unix_ms));
  AddLine(out, "last reload", ReloadLine(detail, now_unix_ms));
  AddLine(out, "file", FileLine(detail));
  AddLine(out, "command", Clean(detail.command));
  AddLine(out, "folder", Clean(detail.folder));
  AddLine(out, "defined in",
          detail.oxfile.empty() ? "" : fmt::format("{}:{}", Clean(detail.oxfile), detail.line));
  AddLine(out, "env files", Join(detail.env_files));
  AddLine(out, "depends on", Join(detail.depends_on));
  AddLine(out, "ready when", Clean(detail.ready_by));
  AddLine(out, "restart", Clean(detail.restart));
  AddLine(out, "stop", Clean(detail.stop));
  AddLine(out, "limits", Clean(detail.limits));
  out += RenderPools(detail);
  std::size_t shown = 0;
  for (const Row& row : detail.instances) {
    if (++shown > kMostInstances) {
      out +=
          fmt::format("\n… and {} more: oxherd list\n", detail.instances.size() - kMostInstances);
      break;
    }
    out += RenderInstance(screen, row, now_unix_ms);
  }
  out += RenderEvents(detail, now_unix_ms);
  return out;
}

std::string RenderDaemon(const control::DaemonDetail& daemon, std::int64_t now_unix_ms) {
  std::string out = fmt::format(
      "oxherd daemon {}  pid {}, up {}, since {}\n", Clean(daemon.version), daemon.pid.number(),
      DurationText(daemon.uptime_ms), ClockText(daemon.started_unix_ms, now_unix_ms));
  AddLine(out, "keeper", fmt::format("pid {}", daemon.keeper_pid.number()));
  if (daemon.daemon_number > 1) {
    AddLine(
        out, "restarted",
        fmt::format("{} by the keeper; the services did not notice",
                    daemon.daemon_number == 2 ? "once"
                                              : fmt::format("{} times", daemon.daemon_number - 1)));
  }
  AddLine(
      out, "services",
      fmt::format("{}, {} of {} instances ready", daemon.services, daemon.ready, daemon.instances));
  AddLine(out, "socket", Clean(daemon.socket));
  AddLine(out, "state", Clean(daemon.state_folder));
  AddLine(out, "logs", Clean(daemon.log_folder));
  AddLine(out, "own log", Clean(daemon.daemon_log));
  for (const std::string& warning : daemon.warnings) AddLine(out, "warning", Clean(warning));
  return out;
}

}  // namespace oxherd::cli
