// The verbs that only look: list, status, ping, daemon status; and `oxherd` alone.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "cli/commands/commands.h"
#include "cli/connection/daemon_start.h"
#include "cli/connection/exchange.h"
#include "cli/render/list.h"
#include "cli/render/result.h"
#include "cli/render/status.h"
#include "control/pm2_list.h"
#include "control/wire.h"
#include "os/clock.h"
#include "os/own_process.h"

namespace oxherd::cli {
namespace {

using control::Command;

constexpr std::string_view kGreeting =
    "oxherd keeps the processes of an Oxfile.toml running.\n\n"
    "  oxherd start     start what ./Oxfile.toml defines\n"
    "  oxherd list      what runs, and how it is\n"
    "  oxherd logs -f   what it prints\n"
    "  oxherd reload    deploy: replace what runs, one instance after the other\n"
    "  oxherd stop      stop it\n\n"
    "oxherd --help lists every command.\n\n";

std::string RenderPing(const Reply& reply, std::int64_t micros) {
  if (!reply.daemon) return "the daemon answers\n";
  const std::string took =
      micros < 1000 ? std::to_string(micros) + " µs" : std::to_string(micros / 1000) + " ms";
  return "the daemon answers: version " + Clean(reply.daemon->version) + ", pid " +
         std::to_string(reply.daemon->pid.number()) + ", in " + took + "\n";
}

std::string RenderDetails(const Session& session, const Reply& reply) {
  std::string text;
  for (const control::ServiceDetail& detail : reply.details) {
    if (!text.empty()) text += "\n";
    text += RenderStatus(session.screen, detail, UnixMillis());
  }
  return text;
}

std::string Render(const Session& session, const Reply& reply, Duration took) {
  switch (reply.command) {
    case Command::kList:
      return RenderList(session.screen, reply.instances, UnixMillis());
    case Command::kStatus:
      return RenderDetails(session, reply);
    case Command::kPing:
      return RenderPing(reply, took.count() / 1000);
    case Command::kDaemonStatus:
      return reply.daemon ? RenderDaemon(*reply.daemon, UnixMillis()) : "";
    case Command::kStart:
    case Command::kStop:
    case Command::kRestart:
    case Command::kReload:
    case Command::kApply:
    case Command::kDelete:
    case Command::kDrain:
    case Command::kResume:
    case Command::kReplace:
    case Command::kRollback:
    case Command::kReset:
    case Command::kEnvironment:
    case Command::kSignal:
    case Command::kScale:
    case Command::kWait:
    case Command::kDaemonStop:
    case Command::kLogs:
    case Command::kDaemonUpgrade:
      break;
  }
  return "";
}

constexpr int kBetweenLooksMs = 1000;

// So many lines of the text as the screen has, so that they can be drawn over; and how many.
std::size_t CutToScreen(const Screen& screen, std::string& text) {
  std::size_t lines = 0;
  for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n', end + 1)) {
    if (++lines + 1 < screen.height) continue;
    text.resize(end + 1);
    break;
  }
  return lines;
}

// Lines that are too long broken at blanks; but for those with colours, which the table has made to
// fit.
std::string Wrapped(const Screen& screen, std::string_view text) {
  std::string wrapped;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    std::string indent;
    while (!line.contains('\x1b') && WidthOf(line) + indent.size() > screen.width) {
      std::size_t end = line.rfind(' ');
      while (end != line.npos && end > 1 &&
             WidthOf(line.substr(0, end)) + indent.size() > screen.width) {
        end = line.rfind(' ', end - 1);
      }
      if (end == line.npos || end <= 1) break;  // one long word
      wrapped += indent + std::string(line.substr(0, end)) + "\n";
      line.remove_prefix(end + 1);
      indent = "   ";
    }
    wrapped += indent + std::string(line) + "\n";
  }
  return wrapped;
}

// What goes before and after a frame of list --watch, so that it covers the one before.
class Redrawing {
 public:
  void Frame(const Screen& screen, std::string& text) {
    text = Wrapped(screen, text);
    const std::size_t lines = CutToScreen(screen, text);
    std::string over;
    if (drawn_ && (drawn_->width != screen.width || drawn_->height != screen.height)) {
      over =
          "\x1b[2J\x1b[H";  // the terminal has broken the lines anew: nobody knows where they are
    } else if (drawn_ && lines_ > 0) {
      over = "\x1b[" + std::to_string(lines_) + "A\r\x1b[J";
    }
    // Without wrapping: a line that takes two could not be drawn over.
    text.insert(0, "\x1b[?7l" + over);
    text += "\x1b[?7h";
    drawn_ = screen;
    lines_ = lines;
  }

 private:
  std::optional<Screen> drawn_;
  std::size_t lines_ = 0;
};

// list --watch: on a terminal in the same place again, else one after the other.
int WatchList(const Session& session) {
  Redrawing redrawing;
  for (;;) {
    const auto reply = Ask(session, Command::kList, session.options.names);
    if (!reply) return Fail(session, reply.error());
    if (!reply->ok()) return Fail(session, reply->code, Clean(reply->error));
    const Screen screen = ScreenOf(STDOUT_FILENO);  // it may have another size by now
    std::string text = RenderList(screen, reply->instances, UnixMillis());
    if (session.options.json) {
      text = control::EncodeForPeople(*reply, session.verb());
    } else if (screen.is_terminal) {
      redrawing.Frame(screen, text);
    }
    if (!Write(STDOUT_FILENO, text)) return 0;  // whoever reads us has had enough
    pollfd reader{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
    if (::poll(&reader, 1, kBetweenLooksMs) > 0) return 0;
  }
}

// jlist, prettylist. Scripts parse what is printed also where nothing runs, as with PM2.
int PrintPm2List(const Session& session) {
  const auto reply = Ask(session, Command::kStatus, session.options.names);
  std::vector<control::ServiceDetail> services;
  if (reply) services = reply->details;
  const auto text = control::EncodePm2List(services, UnixMillis(), *session.options.pm2_list);
  if (!Write(STDOUT_FILENO, text)) return static_cast<int>(ExitCode::kNotDone);
  if (!reply) return Fail(session, reply.error());
  WarnOfVersion(*reply);
  if (reply->code != ExitCode::kAskedWrongly) return 0;  // not ready is no failure of the list
  Write(STDERR_FILENO, RenderError(*reply));
  return static_cast<int>(reply->code);
}

}  // namespace

int Look(const Session& session, Command command) {
  if (session.options.watches) return WatchList(session);
  if (session.options.pm2_list) return PrintPm2List(session);
  const Instant began = os::Now();
  auto reply = Ask(session, command, session.options.names);
  if (!reply) return Fail(session, reply.error());
  WarnOfVersion(*reply);
  if (session.options.json) return PrintJson(*reply, session.verb());
  const std::string text = Render(session, *reply, os::Now() - began);
  if (!Write(STDOUT_FILENO, text)) return static_cast<int>(ExitCode::kNotDone);
  Write(STDERR_FILENO, RenderError(*reply));
  return static_cast<int>(reply->code);
}

int PrintNumbers(const Session& session) {
  auto reply = Ask(session, Command::kList, session.options.names);
  if (!reply) return Fail(session, reply.error());
  WarnOfVersion(*reply);
  if (session.options.json) return PrintJson(*reply, session.verb());
  std::string text;
  for (const control::Row& row : reply->instances) {
    if (session.options.verb == Verb::kId) {
      text += std::to_string(row.id) + "\n";
    } else if (row.pid.is_set()) {
      text += std::to_string(row.pid.number()) + "\n";
    }
  }
  if (!Write(STDOUT_FILENO, text)) return static_cast<int>(ExitCode::kNotDone);
  Write(STDERR_FILENO, RenderError(*reply));
  return static_cast<int>(reply->code);
}

int SayThatItIsSaved(const Session& session) {
  Reply reply;
  reply.notes.emplace_back("nothing to do: what is wanted is saved with every change");
  if (session.options.json) return PrintJson(reply, session.verb());
  Write(STDOUT_FILENO, reply.notes.front() + "\n");
  return 0;
}

int StartDaemonAlone(const Session& session) {
  auto connection = Connect(session.places);
  const bool was_there = connection.has_value();
  if (!connection && connection.error().kind == NotConnected::Kind::kNoDaemon) {
    connection = StartDaemon(session.places, os::OwnEnvironment());
  }
  if (!connection) return Fail(session, connection.error());
  auto reply = Ask(session, Command::kPing, {});
  if (!reply) return Fail(session, reply.error());
  if (session.options.json) return PrintJson(*reply, session.verb());
  if (reply->daemon) {
    Write(STDOUT_FILENO, std::string(was_there ? "the daemon runs already" : "the daemon runs") +
                             ": pid " + std::to_string(reply->daemon->pid.number()) + "\n");
  }
  Write(STDERR_FILENO, RenderError(*reply));
  return static_cast<int>(reply->code);
}

int Greet(const Session& session) {
  auto reply = Ask(session, Command::kList, {});
  if (session.options.json && reply) return PrintJson(*reply, "list");
  std::string text(kGreeting);
  if (!reply) {
    text += reply.error().kind == NotConnected::Kind::kNoDaemon ? "Nothing runs: no daemon.\n"
                                                                : reply.error().message + "\n";
  } else {
    text += reply->ok() ? RenderList(session.screen, reply->instances, UnixMillis())
                        : RenderError(*reply);
  }
  Write(STDOUT_FILENO, text);
  return 0;
}

}  // namespace oxherd::cli
