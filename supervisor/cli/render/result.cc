#include "cli/render/result.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "control/words.h"

namespace oxherd::cli {
namespace {

using control::Command;
using control::PlanStep;
using control::Reply;
using control::ServiceResult;

constexpr std::size_t kMostNames = 6;

using Names = std::vector<std::string>;

std::string Join(const Names& names) {
  std::string joined;
  for (std::size_t i = 0; i < names.size() && i < kMostNames; ++i) {
    joined += (i == 0 ? "" : ", ") + Clean(names[i]);
  }
  if (names.size() > kMostNames) joined += fmt::format(" and {} more", names.size() - kMostNames);
  return joined;
}

std::string Count(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

bool IsBad(const ServiceResult& service) {
  return service.outcome == Outcome::kFailed || service.outcome == Outcome::kRolledBack ||
         service.outcome == Outcome::kSkipped;
}

Names NamesWith(const Reply& reply, Outcome outcome) {
  Names names;
  for (const ServiceResult& service : reply.services) {
    if (service.outcome == outcome) names.push_back(service.name);
  }
  return names;
}

std::string LogTail(const Screen& screen, const ServiceResult& service) {
  std::string text;
  for (const std::string& line : service.log_tail) {
    const std::string shown = screen.is_terminal ? Cut(Clean(line), screen.width - 5) : Clean(line);
    text += Painted(screen, Paint::kDim, "   │ ") + shown + "\n";
  }
  return text;
}

std::string RolledBackLine(const ServiceResult& service) {
  if (service.generation == service.tried) {
    return fmt::format("{}: generation {} stays", Clean(service.name), service.generation.number());
  }
  if (service.gap_ms && *service.gap_ms > 0) {
    return fmt::format("{} rolled back: generation {} is back; none was ready for {}",
                       Clean(service.name), service.generation.number(),
                       control::DurationText(*service.gap_ms));
  }
  return fmt::format("{} rolled back: generation {} kept serving", Clean(service.name),
                     service.generation.number());
}

std::string FailureText(const Screen& screen, const ServiceResult& service) {
  const std::string name = Clean(service.name);
  if (service.outcome == Outcome::kSkipped) {
    return fmt::format(
        "{} skipped: {}\n", name,
        service.reason.empty() ? "a service before it failed" : Clean(service.reason));
  }
  const std::string subject =
      service.failed_instance.empty() ? name : Clean(service.failed_instance);
  std::string text = Painted(
      screen, Paint::kBad,
      fmt::format("{} {}", subject, service.reason.empty() ? "failed" : Clean(service.reason)));
  text += '\n' + LogTail(screen, service);
  if (service.outcome == Outcome::kRolledBack) text += RolledBackLine(service) + "\n";
  return text;
}

std::string ReloadLine(const ServiceResult& service) {
  std::string gap = "no gap";
  if (service.gap_ms && *service.gap_ms > 0) {
    gap = fmt::format("none was ready for {}", control::DurationText(*service.gap_ms));
  }
  return fmt::format("reloaded {}: {} in {}, {}\n", Clean(service.name),
                     Count(service.instances, "instance"), control::DurationText(service.ms), gap);
}

// "stopped api, worker in 1.4 s", "nothing to do: api is stopped already".
std::string Summary(const Reply& reply, Outcome done, std::string_view verb,
                    std::string_view already) {
  const Names changed = NamesWith(reply, done);
  const Names unchanged = NamesWith(reply, Outcome::kUnchanged);
  if (!changed.empty()) {
    return fmt::format("{} {} in {}\n", verb, Join(changed), control::DurationText(reply.ms));
  }
  if (unchanged.empty()) return "";
  return fmt::format("nothing to do: {} {} {}\n", Join(unchanged),
                     unchanged.size() == 1 ? "is" : "are", already);
}

std::string UpLine(const Reply& reply) {
  const std::size_t up = NamesWith(reply, Outcome::kStarted).size();
  const std::size_t done = NamesWith(reply, Outcome::kDone).size();
  const std::size_t unchanged = NamesWith(reply, Outcome::kUnchanged).size();
  if (up + done == 0) {
    return unchanged == 0
               ? ""
               : fmt::format("nothing to do: {} up already\n", Count(unchanged, "service"));
  }
  return fmt::format("{} up\n", Count(up + done + unchanged, "service"));
}

std::string Changes(const Reply& reply) {
  std::string text;
  for (const ServiceResult& service : reply.services) {
    if (service.outcome == Outcome::kReloaded) text += ReloadLine(service);
  }
  const auto add = [&](std::string_view verb, Outcome outcome) {
    const Names names = NamesWith(reply, outcome);
    if (!names.empty()) text += fmt::format("{} {}\n", verb, Join(names));
  };
  add("started", Outcome::kStarted);
  add("done:", Outcome::kDone);
  add("unchanged:", Outcome::kUnchanged);
  return text;
}

std::string NotWaitedLine(const Reply& reply) {
  Names names;
  for (const ServiceResult& service : reply.services) names.push_back(service.name);
  return fmt::format("{} is under way for {}: oxherd list shows how far it is\n",
                     control::Name(reply.command), Join(names));
}

// The only item is one instance.
std::string TrafficLine(const Reply& reply) {
  // What was not done is told with the reason.
  if (reply.services.size() != 1 || !reply.ok()) return "";
  const ServiceResult& service = reply.services.front();
  const std::string name = Clean(service.instance.empty() ? service.name : service.instance);
  if (reply.command == Command::kResume) {
    const bool was_in = service.outcome == Outcome::kUnchanged;
    return fmt::format("{}{} in traffic\n", was_in ? "nothing to do: " : "",
                       name + (was_in ? " is" : " is back"));
  }
  std::string typed = name;
  std::ranges::replace(typed, '/', ' ');
  return fmt::format(
      "{} is out of traffic, and nothing of it is under way; oxherd instance {} "
      "--resume brings it back\n",
      name, typed);
}

std::string ScaleLines(const Reply& reply) {
  std::string text;
  for (const ServiceResult& service : reply.services) {
    if (IsBad(service)) continue;
    text += service.outcome == Outcome::kUnchanged
                ? fmt::format("nothing to do: {} has {}\n", Clean(service.name),
                              Count(service.instances, "instance"))
                : fmt::format("scaled {} to {}, until the file says another number\n",
                              Clean(service.name), Count(service.instances, "instance"));
  }
  return text;
}

std::string SuccessText(const Reply& reply, const Asked& asked) {
  switch (reply.command) {
    case Command::kStart:
      return UpLine(reply);
    case Command::kRestart:
    case Command::kReplace:
      return Summary(reply, Outcome::kStarted, "restarted", "up already");
    case Command::kStop:
      return Summary(reply, Outcome::kStopped, "stopped", "stopped already");
    case Command::kDelete:
      return Summary(reply, Outcome::kStopped, "deleted", "gone already");
    case Command::kReload:
    case Command::kApply:
    case Command::kRollback:
      return Changes(reply);
    case Command::kReset:
      return "restarts and crashes of " + Join(NamesWith(reply, Outcome::kDone)) +
             " are counted from zero\n";
    case Command::kDrain:
    case Command::kResume:
      return TrafficLine(reply);
    case Command::kScale:
      return ScaleLines(reply);
    case Command::kWait: {
      Names names;
      for (const ServiceResult& service : reply.services) {
        if (!IsBad(service)) names.push_back(service.name);
      }
      if (names.empty()) return "";
      return fmt::format("{} {} {}\n", Join(names), names.size() == 1 ? "is" : "are",
                         control::UntilName(asked.until));
    }
    case Command::kDaemonStop:
      return "the daemon has stopped; it forgets nothing: oxherd daemon start brings all back\n";
    case Command::kList:
    case Command::kStatus:
    case Command::kLogs:
    case Command::kEnvironment:
    case Command::kSignal:
    case Command::kPing:
    case Command::kDaemonStatus:
    case Command::kDaemonUpgrade:
      break;
  }
  return "";
}

}  // namespace

std::string RenderError(const Reply& reply) {
  std::string text;
  for (const std::string& error : reply.errors) {
    text += error;
    if (!error.ends_with('\n')) text += '\n';
  }
  if (!reply.error.empty()) text += "oxherd: " + Clean(reply.error) + "\n";
  return text;
}

Said RenderResult(const Screen& screen, const Reply& reply, const Asked& asked) {
  Said said;
  bool failures_told = false;
  for (const ServiceResult& service : reply.services) {
    if (IsBad(service)) {
      said.err += FailureText(screen, service);
      failures_told = true;
    }
    std::string& notes = IsBad(service) ? said.err : said.out;
    for (const std::string& note : service.notes) notes += " " + Clean(note) + "\n";
  }
  for (const std::string& note : reply.notes) said.out += " " + Clean(note) + "\n";
  if (reply.ok() && asked.no_wait) {
    said.out += NotWaitedLine(reply);
  } else {
    said.out += failures_told || reply.ok() ? SuccessText(reply, asked) : "";
  }
  if (!reply.ok() && (!failures_told || reply.code != control::ExitCode::kNotDone)) {
    said.err += RenderError(reply);
  }
  return said;
}

std::string RenderPlan(const Reply& reply, bool prunes) {
  if (reply.plan.empty()) return "nothing would be done\n";
  std::string text;
  for (const PlanStep& step : reply.plan) {
    const std::string name = Clean(step.service);
    switch (step.kind) {
      case PlanStep::Kind::kStart:
        text += fmt::format(" start   {} ({})\n", name, Count(step.instances, "instance"));
        break;
      case PlanStep::Kind::kReload:
        text += fmt::format(" reload  {} ({}){}\n", name, Count(step.instances, "instance"),
                            step.differences.empty()
                                ? ", defined as it runs"
                                : ": " + Join(step.differences) +
                                      (step.differences.size() == 1 ? " differs" : " differ"));
        break;
      case PlanStep::Kind::kRestart:
        text += fmt::format(" restart {} ({})\n", name, Count(step.instances, "instance"));
        break;
      case PlanStep::Kind::kStop:
        text += fmt::format(" stop    {} ({})\n", name, Count(step.instances, "instance"));
        break;
      case PlanStep::Kind::kDelete:
        text += fmt::format(" delete  {}\n", name);
        break;
      case PlanStep::Kind::kKeep:
        text += fmt::format(" keep    {}{}\n", name,
                            step.differences.empty() ? ""
                                                     : ", but " + Join(step.differences) +
                                                           " differ: oxherd reload " + name);
        break;
      case PlanStep::Kind::kLeaveStopped:
        text += fmt::format(" leave   {}, which was stopped: oxherd start {}\n", name, name);
        break;
      case PlanStep::Kind::kLeftFile:
        text += prunes ? fmt::format(" delete  {}, which is no longer in the file\n", name)
                       : fmt::format(
                             " leave   {}, which is no longer in the file: --prune, or "
                             "oxherd delete {}\n",
                             name, name);
        break;
    }
  }
  return text;
}

}  // namespace oxherd::cli
