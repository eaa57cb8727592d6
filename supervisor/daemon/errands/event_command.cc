#include "daemon/errands/event_command.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "control/words.h"

namespace oxherd {
namespace {

// Stands for the daemon where a spec is wanted: its folder is the Oxfile's, its user ours.
SpecPtr OwnSpec(const std::string& file) {
  auto spec = std::make_shared<Spec>();
  spec->name = "on_event_cmd";
  spec->working_dir = file.substr(0, file.rfind('/') + 1);
  return spec;
}

std::vector<EnvEntry> VariablesFor(const control::EventRecord& event, const std::string& name) {
  return {{"OXHERD_EVENT", name},
          {"OXHERD_EVENT_SERVICE", event.service},
          {"OXHERD_EVENT_SUBJECT", event.Subject()},
          {"OXHERD_EVENT_GENERATION",
           event.generation.is_set() ? std::to_string(event.generation.number()) : ""},
          {"OXHERD_EVENT_TIME", control::TimeText(event.unix_ms)},
          {"OXHERD_EVENT_TEXT", event.text}};
}

}  // namespace

std::string EventNames::NameOf(const control::EventRecord& event) {
  const std::string subject = event.Subject();
  if (event.kind == "rolled_back") return "rolled_back";
  if (event.kind == "failed" || event.kind == "unhealthy") {
    unwell_.insert(subject);
    return event.kind;
  }
  if (event.kind == "exited" && event.out_of_memory) {
    unwell_.insert(subject);
    return "oom";
  }
  if (event.kind == "stopped") unwell_.erase(subject);  // by a person; or its successor is Ready
  const bool is_well = event.kind == "ready" || event.kind == "healthy_again";
  return is_well && unwell_.erase(subject) > 0 ? "recovered" : "";
}

std::string EventInput(const control::EventRecord& event, const std::string& name) {
  std::string line = control::EncodeEvent(event);
  return line.insert(1, "\"event\":\"" + name + "\",");
}

void EventCommand::Use(const SupervisorSettings& settings) {
  if (!settings.on_event_cmd && settings.file != file_) return;
  command_ = settings.on_event_cmd;
  events_ = settings.on_events;
  file_ = settings.file;
}

void EventCommand::Note(const control::EventRecord& event) {
  const std::string name = names_.NameOf(event);
  if (name.empty() || !command_) return;
  if (!events_.empty() && std::ranges::find(events_, name) == events_.end()) return;
  if (waiting_.size() == kMostWaitingEvents) {
    if (left_out_++ == 0) {
      parts_.log.Warn("on_event_cmd: " + std::to_string(waiting_.size()) +
                      " events wait for it; further ones are left out until it keeps up");
    }
    return;
  }
  waiting_.push_back({name, event});
  if (!is_running_) RunNext();
}

void EventCommand::RunNext() {
  if (waiting_.empty() || !command_) return waiting_.clear();
  const Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  if (left_out_ > 0 && waiting_.empty()) {
    parts_.log.Warn("on_event_cmd: keeps up again; left out events=" +
                    std::to_string(std::exchange(left_out_, 0)));
  }
  is_running_ = true;
  parts_.errands.Run({.spec = OwnSpec(file_),
                      .generation = Generation(1),
                      .command = *command_,
                      .variables = VariablesFor(next.event, next.name),
                      .input = EventInput(next.event, next.name),
                      .output = Errand::Output::kNowhere,
                      .time = kEventCommandTime},
                     [this](const std::string& trouble) { OnEnd(trouble); });
}

void EventCommand::OnEnd(const std::string& trouble) {
  is_running_ = false;
  if (trouble.empty()) {
    if (std::exchange(is_failing_, false)) parts_.log.Info("on_event_cmd: works again");
  } else if (!std::exchange(is_failing_, true)) {
    parts_.log.Error("on_event_cmd: " + trouble +
                     "; what fails next is not said until it works again");
  }
  RunNext();
}

}  // namespace oxherd
