// `oxherd top`: the loop that joins the terminal, the daemon and the logs to the pure parts.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/connection/exchange.h"
#include "cli/logs/logs.h"
#include "cli/logs/view.h"
#include "cli/top/frame.h"
#include "cli/top/state.h"
#include "cli/top/talk.h"
#include "control/words.h"
#include "os/clock.h"
#include "os/full_screen.h"

namespace oxherd::cli {
namespace {

using control::Command;

constexpr Millis kBetweenLooks{1000};
constexpr Millis kBetweenFrames{40};
constexpr Millis kBetweenLogReads{100};
// After one that had more than anybody can read.
constexpr Millis kAfterFlood{500};
// An Escape that nothing follows for so long was the key.
constexpr Millis kEscapeKey{30};
// A daemon that says nothing for so long is said to be silent.
constexpr Millis kSilence{3000};
// So long nobody serves the home before it is over: a daemon may be stopped and started again.
constexpr Millis kNobody{5000};
// Of a log, at first and at once: what is more is not to be read by anybody.
constexpr std::uint32_t kLogLinesAtFirst = 200;
constexpr std::uint64_t kLogLinesAtOnce = 2000;

class Top {
 public:
  Top(const Session& session, os::FullScreen& screen) : session_(session), screen_(screen) {}

  // The exit code; `last_words()` are for the terminal when that is given back.
  int Run();
  [[nodiscard]] const std::string& last_words() const { return last_words_; }

 private:
  void Step();
  void Wait();
  void OnKeys();
  void OnSignals();
  void Obey(const TopWish& wish);
  void Look();
  void OnList(const control::Reply& reply);
  void Change(const TopWish& wish);
  void GoOnWithChange();
  void FollowLog();
  void OnLogPaths(const control::Reply& reply);
  void ReadLog();
  void OpenLog();
  void Draw();
  void End(int code, std::string words = "") {
    if (!code_) code_ = code;
    if (last_words_.empty()) last_words_ = std::move(words);
  }

  const Session& session_;
  os::FullScreen& screen_;
  TopState state_;
  std::string typed_;  // keys of which the rest may come
  Instant now_{};
  Instant next_look_{};
  Instant next_frame_{};
  Instant next_log_read_{};
  Instant typed_at_{};
  bool changed_ = true;  // since the last frame
  std::optional<Talk> list_;
  std::optional<Instant> nobody_since_;
  std::optional<Talk> change_;
  std::optional<Talk> paths_;
  std::vector<control::Row> log_rows_;
  std::unique_ptr<LogView> log_;
  std::optional<os::FolderWatch> log_watch_;
  std::optional<int> code_;
  std::string last_words_;
};

int Top::Run() {
  while (!code_) {
    now_ = os::Now();
    Step();
    if (!code_) Wait();
  }
  return *code_;
}

void Top::Step() {
  OnSignals();
  OnKeys();
  Look();
  GoOnWithChange();
  FollowLog();
  ReadLog();
  Draw();
}

void Top::Wait() {
  std::vector<pollfd> waiting;
  const auto add = [&](int descriptor, short events) {
    if (descriptor >= 0) waiting.push_back({descriptor, events, 0});
  };
  add(screen_.keys(), POLLIN);
  add(screen_.signals(), POLLIN);
  if (screen_.is_writing()) add(screen_.output(), POLLOUT);
  for (const auto* talk : {&list_, &change_, &paths_}) {
    if (*talk) add((*talk)->descriptor(), POLLIN);
  }
  const bool may_read_log = now_ >= next_log_read_;
  if (log_watch_ && may_read_log) add(log_watch_->descriptor(), POLLIN);
  Instant until = next_look_;
  if (changed_ && !screen_.is_writing()) until = std::min(until, next_frame_);
  if (log_watch_ && !may_read_log) until = std::min(until, next_log_read_);
  if (!typed_.empty()) until = std::min(until, typed_at_ + kEscapeKey);
  const std::int64_t left = std::clamp<std::int64_t>(ToMillis(until - os::Now()) + 1, 0, 1000);
  ::poll(waiting.data(), waiting.size(), static_cast<int>(left));
}

void Top::OnSignals() {
  for (int number = screen_.NextSignal(); number != 0; number = screen_.NextSignal()) {
    changed_ = true;
    if (number == SIGWINCH) {
      screen_.Forget();
    } else if (number == SIGTSTP) {
      screen_.Suspend();
    } else if (number == SIGCONT) {
      screen_.TakeAgain();
    } else {
      End(number == SIGINT ? 0 : 128 + number);
    }
  }
}

void Top::OnKeys() {
  const auto typed = screen_.ReadKeys();
  if (!typed) return End(128 + SIGHUP);
  if (!typed->empty()) typed_at_ = now_;
  typed_ += *typed;
  if (typed_.empty()) return;
  const Rest rest = now_ - typed_at_ >= kEscapeKey ? Rest::kIsAll : Rest::kMayCome;
  for (const Key& key : TakeKeys(typed_, rest)) {
    changed_ = true;
    Obey(state_.Press(key));
    if (code_) return;
  }
}

void Top::Obey(const TopWish& wish) {
  switch (wish.kind) {
    case TopWish::Kind::kNothing:
      return;
    case TopWish::Kind::kQuit:
      return End(0);
    case TopWish::Kind::kSuspend:
      return screen_.Suspend();
    case TopWish::Kind::kRedraw:
      return screen_.Forget();
    case TopWish::Kind::kChange:
      return Change(wish);
  }
}

control::Request LookFor(Command command, const std::vector<std::string>& names) {
  control::Request request;
  request.id = NewRequestId();
  request.command = command;
  request.client_version = Version();
  request.names = names;
  return request;
}

// Asks once a second, and one question at a time.
void Top::Look() {
  if (list_) {
    for (const control::FromDaemon& message : list_->Read(now_)) {
      if (const auto* reply = std::get_if<control::Reply>(&message)) OnList(*reply);
    }
    if (list_->state() == Talk::State::kAsking) {
      const Duration silent = now_ - list_->silent_since();
      if (silent < kSilence) return;
      state_.trouble = "the daemon has not answered for " +
                       std::to_string(ToMillis(silent) / 1000) + " s; what stands here is older";
      changed_ = true;
      next_look_ = now_ + kBetweenLooks;
      return;
    }
    if (list_->state() == Talk::State::kLost) next_look_ = now_ + kBetweenLooks / 4;
    list_.reset();
  }
  if (now_ < next_look_) return;
  next_look_ = now_ + kBetweenLooks;
  list_.emplace(session_.places, LookFor(Command::kList, {}));
  if (list_->Begin(now_) != Talk::State::kNoDaemon) {
    nobody_since_.reset();
    return;
  }
  const std::string why = list_->why();
  list_.reset();
  if (!nobody_since_) nobody_since_ = now_;
  state_.trouble = why;
  changed_ = true;
  if (now_ - *nobody_since_ >= kNobody) End(static_cast<int>(ExitCode::kNoDaemon), why);
}

void Top::OnList(const control::Reply& reply) {
  changed_ = true;
  state_.trouble = reply.ok() ? "" : reply.error;
  if (reply.ok()) state_.TakeRows(reply.instances);
  // Whoever was to say where its log is did not.
  if (!log_ && !paths_) state_.log_of.clear();
  next_look_ = now_ + kBetweenLooks;
}

void Top::Change(const TopWish& wish) {
  if (change_) {
    state_.notice = "the " + std::string(control::Name(change_->request().command)) +
                    " goes on still; one after the other";
    return;
  }
  auto request = MakeRequest(session_, wish.command, std::nullopt);
  if (!request) {
    state_.notice = Clean(request.error().message);
    return;
  }
  request->names = {wish.service};
  state_.notice = std::string(control::Name(wish.command)) + " " + Clean(wish.service) + " …";
  change_.emplace(session_.places, std::move(*request));
  change_->Begin(now_);
}

// How a command has ended: "mailer rolled back: exited 1 before ready", "api reloaded in 1.2 s".
std::string InOneLine(const control::Reply& reply) {
  std::string text;
  for (const control::ServiceResult& result : reply.services) {
    if (!text.empty()) text += "; ";
    std::string outcome(control::OutcomeName(result.outcome));
    std::ranges::replace(outcome, '_', ' ');
    text += result.name + " " + outcome;
    text +=
        result.reason.empty() ? " in " + control::DurationText(result.ms) : ": " + result.reason;
  }
  if (text.empty()) text = reply.ok() ? "done" : reply.error;
  if (text.empty() && !reply.errors.empty()) text = reply.errors.front();
  return Clean(text.substr(0, text.find('\n')));
}

void Top::GoOnWithChange() {
  if (!change_) return;
  for (control::FromDaemon& message : change_->Read(now_)) {
    changed_ = true;
    next_look_ = std::min(next_look_, now_ + kBetweenLogReads);
    if (const auto* progress = std::get_if<control::Progress>(&message)) {
      state_.notice = Clean(progress->Subject() + "  " + progress->text);
    } else if (auto* reply = std::get_if<control::Reply>(&message)) {
      reply->command = change_->request().command;
      state_.notice = InOneLine(*reply);
    }
  }
  if (change_->state() == Talk::State::kAnswered) return change_.reset();
  if (change_->state() == Talk::State::kAsking) return;
  if (now_ - change_->silent_since() < kReconnectFor) {
    change_->TryAgain(now_);
    return;
  }
  state_.notice = "the connection to the daemon was lost; it goes on: oxherd events";
  change_.reset();
}

// Asks for the paths of the chosen one's logs when another one was chosen.
void Top::FollowLog() {
  if (paths_) {
    for (const control::FromDaemon& message : paths_->Read(now_)) {
      if (const auto* reply = std::get_if<control::Reply>(&message)) OnLogPaths(*reply);
    }
    if (paths_->state() == Talk::State::kAsking && now_ - paths_->silent_since() < kSilence) return;
    paths_.reset();
  }
  const control::Row* chosen = state_.Chosen();
  const std::string wanted = chosen == nullptr ? "" : chosen->name();
  if (wanted == state_.log_of) return;
  log_.reset();
  log_watch_.reset();
  state_.ForgetLog();
  state_.log_of = wanted;
  if (wanted.empty()) return;
  paths_.emplace(session_.places, LookFor(Command::kLogs, {wanted}));
  if (paths_->Begin(now_) != Talk::State::kAsking) paths_.reset();
}

void Top::OnLogPaths(const control::Reply& reply) {
  const bool is_stale =
      !reply.ok() || reply.instances.empty() || reply.instances.front().name() != state_.log_of;
  if (is_stale) return;
  log_rows_ = reply.instances;
  OpenLog();
}

void Top::OpenLog() {
  LineStyle style;
  style.now = std::chrono::system_clock::now();
  state_.ForgetLog();
  const auto append = [this](std::string_view text) {
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      state_.AddLogLine(std::string(text.substr(begin, end - begin)));
      begin = end + 1;
    }
    return true;
  };
  log_ = std::make_unique<LogView>(SourcesOf(log_rows_, {}), LogFilter{}, style, append);
  static_cast<void>(log_->ShowLast(kLogLinesAtFirst, LogView::Then::kComing));
  if (auto watch = log_->Watch()) log_watch_ = std::move(*watch);
  next_log_read_ = now_;
  changed_ = true;
}

void Top::ReadLog() {
  if (!log_ || now_ < next_log_read_) return;
  if (log_watch_) static_cast<void>(log_watch_->Wait(-1, now_));
  next_log_read_ = now_ + kBetweenLogReads;
  const std::uint64_t before = log_->shown();
  // Whoever prints faster than that is looked at from his end again.
  if (!log_->ShowNew(kLogLinesAtOnce)) {
    OpenLog();
    next_log_read_ = now_ + kAfterFlood;
    return;
  }
  if (log_->shown() != before) changed_ = true;
}

void Top::Draw() {
  screen_.Flush();
  if (!changed_ || screen_.is_writing() || now_ < next_frame_) return;
  const os::ScreenSize size = screen_.Size();
  screen_.Show(TopFrame(state_, {.columns = size.columns,
                                 .rows = size.rows,
                                 .colour = session_.screen.colour,
                                 .now_unix_ms = UnixMillis()}));
  next_frame_ = now_ + kBetweenFrames;
  changed_ = false;
}

}  // namespace

int ShowTop(const Session& session) {
  if (session.options.json) {
    return Fail(session, ExitCode::kAskedWrongly, "top is for people; oxherd list --json");
  }
  const std::string no_terminal =
      "top needs a terminal on standard input and output; oxherd list shows the same once, "
      "oxherd list --json for programs";
  if (!session.screen.is_terminal || ::isatty(STDIN_FILENO) != 1) {
    return Fail(session, ExitCode::kAskedWrongly, no_terminal);
  }
  auto connection = Connect(session.places);
  if (!connection) return Fail(session, connection.error());
  auto screen = os::FullScreen::Open();
  if (!screen) return Fail(session, ExitCode::kNotDone, screen.error().message);
  int code = 0;
  std::string last_words;
  {
    os::FullScreen taken = std::move(*screen);
    Top top(session, taken);
    code = top.Run();
    last_words = top.last_words();
  }
  if (!last_words.empty()) Write(STDERR_FILENO, "oxherd: " + Clean(last_words) + "\n");
  return code;
}

}  // namespace oxherd::cli
