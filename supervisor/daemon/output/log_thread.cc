#include "daemon/output/log_thread.h"

#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <utility>

#include "daemon/output/log_tail.h"

namespace oxherd {
// ---- The mailbox. ----

Result<std::unique_ptr<OutputMailbox>> OutputMailbox::Make() {
  auto mailbox = std::make_unique<OutputMailbox>();
  auto commands = os::Bell::Make();
  if (!commands) return os::ToError("output thread", commands.error());
  auto events = os::Bell::Make();
  if (!events) return os::ToError("output thread", events.error());
  mailbox->commands_bell_ = std::move(*commands);
  mailbox->events_bell_ = std::move(*events);
  return mailbox;
}

void OutputMailbox::Post(Command command) {
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
    if (commands_.size() > 1) return;  // it was rung for the first, and is not answered yet
  }
  commands_bell_.Ring();
}

std::vector<OutputEvent> OutputMailbox::TakeEvents() {
  events_bell_.Quieten();
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

void OutputMailbox::Say(OutputEvent event) {
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    if (events_.size() > 1) return;
  }
  events_bell_.Ring();
}

std::vector<OutputMailbox::Command> OutputMailbox::TakeCommands() {
  commands_bell_.Quieten();
  const std::lock_guard lock(mutex_);
  return std::exchange(commands_, {});
}

// ---- The thread. ----

OutputThread::OutputThread(const OutputLog::Options& options)
    : echo_(options.echo, options.echo_to),
      echoed_(options.echoed),
      journal_(options.journal,
               [this](std::string text) { mailbox_->Say(output_event::Trouble{std::move(text)}); }),
      compression_(
          [this](std::string text) { mailbox_->Say(output_event::Trouble{std::move(text)}); }) {}

Result<std::unique_ptr<OutputThread>> OutputThread::Start(const OutputLog::Options& options) {
  std::unique_ptr<OutputThread> made(new OutputThread(options));
  OXHERD_TRY_ASSIGN(made->mailbox_, OutputMailbox::Make());
  auto poller = os::EdgePoller::Make();
  if (!poller) return os::ToError("output thread", poller.error());
  made->poller_ = std::move(*poller);
  auto spare = os::MakePipe(os::PipeReading::kDoesNotBlock);
  if (!spare) return os::ToError("output thread", spare.error());
  made->scratch_.spare = std::move(*spare);
  const auto listening =
      made->poller_.Add(made->mailbox_->commands_bell().fd(), os::EdgePoller::For::kReading,
                        static_cast<std::uint64_t>(Ring::kCommands));
  if (!listening) return os::ToError("output thread", listening.error());
  made->echo_.Register(made->poller_, static_cast<std::uint64_t>(Ring::kEcho));
  made->journal_.Register(made->poller_, static_cast<std::uint64_t>(Ring::kJournal));

  // Signals are for the loop's thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Status started;
  try {
    made->thread_ = std::thread([thread = made.get()] { thread->Run(); });
  } catch (const std::system_error& error) {
    started = ErrnoError("start output thread", error.code().value());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!started) return std::unexpected(std::move(started).error());
  return made;
}

OutputThread::~OutputThread() {
  if (!thread_.joinable()) return;
  mailbox_->Post(OutputMailbox::Quit{});
  thread_.join();
}

void OutputThread::Run() {
  prctl(PR_SET_NAME, "output");
  prctl(PR_SET_TIMERSLACK, 10'000UL);  // 10 µs: naps are short
  std::array<std::uint64_t, 64> ids;
  while (!quit_) {
    const auto ready = poller_.Wait(!queue_.empty() ? Instant::min() : NextDeadline(), ids);
    now_ = OutputTime::Now();
    for (const std::uint64_t id : ready) Hear(id);
    Tick();
    Round();
  }
}

Instant OutputThread::NextDeadline() {
  if (deadlines_changed_) {
    deadlines_changed_ = false;
    next_tick_ = kNever;
    for (const auto& [path, destination] : destinations_) {
      next_tick_ = std::min(next_tick_, destination->deadline());
    }
  }
  Instant next = std::min(next_tick_, pace_.deadline());
  for (const std::uint64_t id : held_) {
    const auto found = sources_.find(id);
    if (found == sources_.end() || !found->second->inlet.half_line_since) continue;
    next = std::min(next, *found->second->inlet.half_line_since + LogDestination::kLineGrace);
  }
  return next;
}

void OutputThread::Hear(std::uint64_t id) {
  if (id == static_cast<std::uint64_t>(Ring::kCommands)) {
    HandleCommands();
  } else if (id == static_cast<std::uint64_t>(Ring::kEcho)) {
    if (echo_.Flush()) GoOn();
  } else if (id == static_cast<std::uint64_t>(Ring::kJournal)) {
    journal_.Flush(now_.monotonic);
    if (!journal_.is_blocked()) GoOn();
  } else if (const auto found = sources_.find(id); found != sources_.end()) {
    Enqueue(*found->second);
  }
}

void OutputThread::Tick() {
  if (next_tick_ <= now_.monotonic) {
    deadlines_changed_ = true;
    for (const auto& [path, destination] : destinations_) {
      if (destination->deadline() <= now_.monotonic) destination->Tick(now_);
    }
    std::erase_if(destinations_, [](const auto& entry) { return !entry.second->is_used(); });
  }
  for (const std::uint64_t id : pace_.Due(now_.monotonic)) {
    Source& source = *sources_.at(id);
    pace_.Narrow(source.flow, source.inlet.pipe, now_.monotonic);
  }
  std::erase_if(held_, [this](std::uint64_t id) {
    const auto found = sources_.find(id);
    if (found == sources_.end() || !found->second->inlet.half_line_since) return true;
    const Instant due = *found->second->inlet.half_line_since + LogDestination::kLineGrace;
    if (due > now_.monotonic) return false;
    Enqueue(*found->second);
    return true;
  });
}

void OutputThread::Enqueue(Source& source) {
  if (source.queued) return;
  source.queued = true;
  queue_.push_back(source.id);
}

// One turn for each that is in the queue now.
void OutputThread::Round() {
  for (std::size_t turns = queue_.size(); turns > 0; --turns) {
    const std::uint64_t id = queue_.front();
    queue_.pop_front();
    const auto found = sources_.find(id);
    if (found == sources_.end()) continue;
    Source& source = *found->second;
    source.queued = false;
    if (IsHeldBack(source)) {
      held_back_.push_back(id);
      continue;
    }
    const auto moved = Turn(source);
    if (moved.pipe == LogDestination::Moved::Pipe::kMore) Enqueue(source);
    if (moved.pipe == LogDestination::Moved::Pipe::kHeld &&
        std::ranges::find(held_, id) == held_.end()) {
      held_.push_back(id);
    }
  }
  if (queue_.empty()) return;
  const Duration nap = pace_.Nap();
  if (nap > Duration::zero()) mailbox_->commands_bell().WaitFor(nap);
}

LogDestination::Moved OutputThread::Turn(Source& source) {
  LogDestination& destination = *source.destination;
  const std::uint32_t rotations = destination.rotations();
  const auto moved = destination.Move(source.inlet, scratch_, now_);
  if (max_total_ != 0 && destination.rotations() != rotations) KeepToTotal();
  if (moved.bytes != 0) pace_.OnMoved(source.flow, source.inlet.pipe, moved.bytes, now_.monotonic);
  if (moved.bytes == 0 || (!source.matcher && !IsEchoed(source))) return moved;
  const std::string_view bytes = destination.Look(moved, scratch_);
  if (source.matcher && source.matcher->Feed(bytes)) {
    Handle(OutputMailbox::StopMatching{source.token});  // said once for both pipes
    mailbox_->Say(output_event::ReadyLine{source.token});
  }
  if (IsEchoed(source)) Tell(source, bytes);
  return moved;
}

bool OutputThread::IsEchoed(const Source& source) const {
  switch (source.to) {
    case LogTo::kFile:
      return echo_.is_on() && echoed_ == Echoed::kAll;
    case LogTo::kStdout:
      return echo_.is_on();
    case LogTo::kJournal:
      return true;
    case LogTo::kNone:
      break;
  }
  return false;
}

bool OutputThread::IsHeldBack(const Source& source) const {
  if (source.to == LogTo::kJournal) return journal_.is_blocked();
  return IsEchoed(source) && echo_.is_blocked();
}

void OutputThread::Tell(Source& source, std::string_view bytes) {
  if (source.to == LogTo::kJournal) {
    return journal_.Take(source.id_of_instance, bytes, source.line_begun, now_.monotonic);
  }
  echo_.Take(source.instance, bytes, source.line_begun);
  echo_.Flush();
}

void OutputThread::TellEnd(Source& source) {
  if (source.to == LogTo::kJournal) {
    return journal_.End(source.id_of_instance, source.line_begun, now_.monotonic);
  }
  echo_.End(source.instance, source.line_begun);
}

void OutputThread::GoOn() {
  for (const std::uint64_t id : std::exchange(held_back_, {})) {
    if (const auto found = sources_.find(id); found != sources_.end()) Enqueue(*found->second);
  }
}

// ---- Commands. ----

void OutputThread::HandleCommands() {
  for (auto& command : mailbox_->TakeCommands()) {
    std::visit([this](auto& what) { Handle(what); }, command);
  }
}

void OutputThread::Handle(OutputSource& source) {
  for (const std::uint64_t id : SourcesOf(source.token)) Remove(id);
  if (source.out) {
    Add(source, {.stream = os::LogStream::kOut,
                 .pipe = std::move(source.out),
                 .file = std::move(source.out_file),
                 .path = source.logs.out_path,
                 .writer = source.out_writer});
  }
  if (source.err) {
    Add(source, {.stream = os::LogStream::kErr,
                 .pipe = std::move(source.err),
                 .file = std::move(source.err_file),
                 .path = source.logs.err_path,
                 .writer = source.err_writer});
  }
}

LogRules OutputThread::RulesOf(const LogSpec& logs, std::optional<RunAs> writer) {
  return {.max_bytes = logs.max_bytes,
          .max_files = logs.max_files,
          .max_days = logs.max_days,
          .compress = logs.compress,
          .writer = std::move(writer),
          .access = {.mode = logs.mode, .group = logs.gid}};
}

void OutputThread::Add(const OutputSource& from, Stream stream) {
  auto source = std::make_unique<Source>();
  source->id = next_id_++;
  source->token = from.token;
  source->id_of_instance = from.instance;
  source->instance = from.instance.Text();
  source->to = from.logs.to;
  source->path = stream.path;
  source->destination = DestinationFor(stream.path, RulesOf(from.logs, std::move(stream.writer)),
                                       std::move(stream.file));
  source->destination->AddInlet();
  source->inlet.label = {.stream = stream.stream,
                         .slot = from.instance.slot,
                         .generation = from.generation,
                         .token = from.token,
                         .service = os::ServiceMark(from.instance.service)};
  if (!from.logs.date_format.empty()) source->inlet.stamper.emplace(from.logs.date_format);
  if (!from.ready_log.empty()) {
    if (auto matcher = LineMatcher::Make(from.ready_log)) {
      source->matcher.emplace(std::move(*matcher));
    } else {
      mailbox_->Say(output_event::Trouble{source->instance + ": " + matcher.error().message});
    }
  }
  (void)os::SetBlocking(stream.pipe.get(), os::Blocking::kDoesNotBlock);
  const auto added = poller_.Add(stream.pipe.get(), os::EdgePoller::For::kReading, source->id);
  if (!added) {
    mailbox_->Say(output_event::Trouble{
        source->instance + ": its output cannot be read: " + ErrnoText(added.error().number)});
  }
  source->inlet.pipe = std::move(stream.pipe);
  source->flow.id = source->id;
  pace_.Begin(source->flow, source->inlet.pipe, now_.monotonic);
  Enqueue(*source);  // it may hold something already
  by_token_.emplace(source->token, source->id);
  sources_.emplace(source->id, std::move(source));
}

std::shared_ptr<LogDestination> OutputThread::DestinationFor(const std::string& path,
                                                             const LogRules& rules, os::Fd file) {
  auto found = destinations_.find(path);
  if (found == destinations_.end()) {
    auto made = std::make_shared<LogDestination>(path, compression_, [this](std::string text) {
      deadlines_changed_ = true;  // it began, or ceased, to try again
      mailbox_->Say(output_event::Trouble{std::move(text)});
    });
    deadlines_changed_ = true;
    if (path != "/dev/null") paths_.insert(path);
    made->SetRules(rules);
    (void)made->Open(now_, std::move(file));  // if it fails, the first line says so
    for (const auto& [other_path, other] : destinations_) {
      const bool same = made->identity() && other->identity() && path != "/dev/null" &&
                        made->identity()->SameFile(*other->identity());
      if (same) made = other;  // one file under two names
    }
    found = destinations_.emplace(path, std::move(made)).first;
  }
  found->second->SetRules(rules);
  return found->second;
}

void OutputThread::Handle(const OutputMailbox::Detach& detach) {
  for (const std::uint64_t id : SourcesOf(detach.token)) {
    Source& source = *sources_.at(id);
    Drain(source);
    TellEnd(source);
    Remove(id);
  }
  echo_.Flush();
  mailbox_->Say(output_event::Detached{detach.token});
}

void OutputThread::Handle(const OutputMailbox::SetMaxTotal& limit) {
  max_total_ = limit.bytes;
  if (max_total_ != 0) KeepToTotal();
}

void OutputThread::KeepToTotal() {
  const std::lock_guard lock(compression_.names());
  KeepTotal(paths_, max_total_);
}

void OutputThread::Handle(const OutputMailbox::StopMatching& stop) {
  for (const std::uint64_t id : SourcesOf(stop.token)) sources_.at(id)->matcher.reset();
}

void OutputThread::Handle(const OutputLog::TailQuestion& question) {
  for (const std::uint64_t id : SourcesOf(question.token)) Drain(*sources_.at(id));
  mailbox_->Say(output_event::Tail{
      question.token, LastLinesOf(question.token, question.logs.out_path, question.logs.err_path,
                                  std::min<std::size_t>(question.lines, 100))});
}

void OutputThread::Handle(const OutputMailbox::Quit&) {
  for (const auto& [id, source] : sources_) {
    Drain(*source);
    TellEnd(*source);
  }
  echo_.Flush();
  quit_ = true;
}

void OutputThread::Drain(Source& source) {
  std::size_t left = os::BytesIn(source.inlet.pipe);
  while (left > 0) {
    source.inlet.half_line_since = Instant{};  // half a line is not waited for any more
    const auto moved = Turn(source);
    left -= std::min(left, moved.bytes);
    if (moved.pipe != LogDestination::Moved::Pipe::kMore) return;
  }
}

void OutputThread::Remove(std::uint64_t id) {
  const auto found = sources_.find(id);
  Source& source = *found->second;
  poller_.Remove(source.inlet.pipe.get());
  pace_.End(source.flow, source.inlet.pipe, now_.monotonic);
  source.destination->RemoveInlet();
  const auto [first, last] = by_token_.equal_range(source.token);
  for (auto at = first; at != last; ++at) {
    if (at->second == id) {
      by_token_.erase(at);
      break;
    }
  }
  // A second name of the file is looked up again when it is needed again.
  const LogDestination& destination = *source.destination;
  if (source.path != destination.path()) destinations_.erase(source.path);
  if (!destination.is_used()) destinations_.erase(destination.path());
  sources_.erase(found);
}

std::vector<std::uint64_t> OutputThread::SourcesOf(Token token) const {
  std::vector<std::uint64_t> ids;
  const auto [first, last] = by_token_.equal_range(token);
  for (auto at = first; at != last; ++at) ids.push_back(at->second);
  return ids;
}

}  // namespace oxherd
