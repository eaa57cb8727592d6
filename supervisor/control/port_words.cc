#include "control/port_words.h"

#include <fmt/format.h>

namespace oxherd::control {
namespace {

std::string ProcessText(const TakenPort& taken) {
  return fmt::format("\"{}\" (pid {})", taken.command, taken.pid.number());
}

// As it has to be written for a program that binds there: held sockets are never wider.
std::string ListenValue(const TakenPort& taken) {
  if (taken.host.empty()) return std::to_string(taken.port);
  return fmt::format("\"{}:{}\"", taken.host, taken.port);
}

std::string StrangerText(const TakenPort& taken) {
  if (!taken.pid.is_set()) {
    return fmt::format(
        "another user's process (uid {}), which cannot be seen from here; sudo ss -ltnp 'sport = "
        ":{}' names it",
        taken.uid, taken.port);
  }
  return fmt::format("{}, which is no service here; stop it (kill {}), or use another port",
                     ProcessText(taken), taken.pid.number());
}

std::string Pm2Text(const TakenPort& taken) {
  if (taken.name.empty()) {
    return fmt::format("PM2 (pid {}); pm2 list shows its processes, end this one: pm2 delete NAME",
                       taken.pid.number());
  }
  return fmt::format("PM2's process {}, {}; end it there: pm2 delete {}", taken.name,
                     ProcessText(taken), taken.name);
}

std::string OwnListenText(const TakenPort& taken) {
  constexpr std::string_view kElse = "or give up listen for reload_strategy = \"stop-first\"";
  const auto say = [&](std::string_view why, std::string_view mend) {
    return fmt::format("its own listen, as {}; {}, {}", why, mend, kElse);
  };
  switch (taken.why) {
    case TakenPort::Why::kStatic:
      return say("the program is linked statically and cannot be handed its socket unasked",
                 "let it use the descriptors of LISTEN_FDS");
    case TakenPort::Why::kMusl:
      return say("the program is linked with musl and cannot be handed its socket unasked",
                 "let it use the descriptors of LISTEN_FDS");
    case TakenPort::Why::kSudo:
      return say("sudo clears LD_PRELOAD and the program was not handed its socket",
                 "start it without sudo");
    case TakenPort::Why::kUnknown:
      break;
  }
  return say("the program was not handed its socket: something before it clears the environment",
             "let it keep LD_PRELOAD and OXHERD_LISTEN*");
}

// What listen names, and the port.
std::string Listed(const TakenPort& taken) {
  std::string list;
  for (const std::string& address : taken.listed) list += address + ", ";
  return list + ListenValue(taken);
}

std::string SecondPortText(const TakenPort& taken) {
  const std::string who =
      taken.name.empty() ? fmt::format("gen {}", taken.other.number()) : taken.name;
  return fmt::format(
      "{}: it is a further port of the program, which listen does not name; write listen = [{}]",
      who, Listed(taken));
}

}  // namespace

std::string TakenBy(const TakenPort& taken) {
  switch (taken.cause) {
    case TakenPort::Cause::kStranger:
      return StrangerText(taken);
    case TakenPort::Cause::kPm2:
      return Pm2Text(taken);
    case TakenPort::Cause::kGeneration:
      return fmt::format(
          "gen {}, which runs until the new one is ready; write listen = {}, or reload_strategy = "
          "\"stop-first\"",
          taken.other.number(), ListenValue(taken));
    case TakenPort::Cause::kSibling:
      return fmt::format(
          "{}; for several instances write listen = {}, or port_base = {}, which gives each a PORT "
          "of its own",
          taken.name, ListenValue(taken), taken.port);
    case TakenPort::Cause::kOldSibling:
      return fmt::format("{} of gen {}, whose turn has not come; oxherd restart {} stops all first",
                         taken.name, taken.other.number(),
                         taken.name.substr(0, taken.name.rfind('/')));
    case TakenPort::Cause::kService:
      return fmt::format("{} (pid {}); give one of the two another port", taken.name,
                         taken.pid.number());
    case TakenPort::Cause::kListenOf:
      return fmt::format("listen of {}; give one of the two another port", taken.name);
    case TakenPort::Cause::kOwnListen:
      return OwnListenText(taken);
    case TakenPort::Cause::kOldListen:
      return fmt::format(
          "listen of the generation that runs; write it there again: listen = [{}], or change it "
          "with oxherd restart {}",
          Listed(taken), taken.name);
    case TakenPort::Cause::kSecondPort:
      return SecondPortText(taken);
    case TakenPort::Cause::kConnection:
      return fmt::format("an outgoing connection{}; use a port below 32768",
                         taken.pid.is_set() ? " of " + ProcessText(taken) : "");
    case TakenPort::Cause::kJustEnded:
      return "a connection that has just ended; try again in a minute";
    case TakenPort::Cause::kNotToBeSeen:
      break;
  }
  return "somebody who cannot be seen, or has gone by now; try again";
}

}  // namespace oxherd::control
