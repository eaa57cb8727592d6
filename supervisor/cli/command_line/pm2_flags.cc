#include "cli/command_line/pm2_flags.h"

#include <algorithm>
#include <array>
#include <utility>

namespace oxherd::cli {
namespace {

constexpr auto kPm2Flags = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"--attach", "oxherd logs -f follows"},
    {"--cron-restart", "cron_restart is a key of the Oxfile"},
    {"--disable-logs", "logs rotate by themselves; log_file and error_log_file name other files"},
    {"--exp-backoff-restart-delay", "back-off is always there"},
    {"--force", "a second --name starts it a second time"},
    {"--gid", "group is a key of the Oxfile"},
    {"--increment-var", "port_base is a key of the Oxfile"},
    {"--instances", "instances = N in the Oxfile"},
    {"--interpreter", "it is the first word of command"},
    {"--kill-timeout", "stop_timeout_ms in the Oxfile"},
    {"--log", "--output and --error name the files"},
    {"--max-memory-restart", "limits.memory_mb is a key of the Oxfile"},
    {"--merge-logs", "oxherd logs NAME merges those of all instances by time"},
    {"--name", "[processes.NAME] in the Oxfile"},
    {"--no-autorestart", "restart = \"never\" in the Oxfile"},
    {"--no-daemon", "oxherd run stays in the foreground"},
    {"--no-treekill",
     "a stop ends the whole tree; kill_mode in the Oxfile says who gets the signal"},
    {"--no-vizion", "nothing looks at version control"},
    {"--node-args", "write them into the command: oxherd start \"node --inspect server.js\""},
    {"--shutdown-with-message", "stop_signal tells it, or pre_stop_cmd"},
    {"--source-map-support", "NODE_OPTIONS=--enable-source-maps does it"},
    {"--stop-exit-codes", "restart = \"on-failure\" stops at exit code 0"},
    {"--uid", "user is a key of the Oxfile"},
    {"--update-env",
     "restart and start read the Oxfile and env files; reload --update-env takes PATH"},
    {"--user", "user is a key of the Oxfile"},
    {"--watch", "watch is a key of the Oxfile"},
    {"-a", "write it behind --: oxherd start server.js -- ARGUMENTS"},
    {"-f", "a second --name starts it a second time"},
    {"-i", "instances = N in the Oxfile"},
    {"-l", "--output and --error name the files"},
    {"-u", "user is a key of the Oxfile"},
    {"-w", "--watch, or watch in the Oxfile"},
});

}  // namespace

std::optional<std::string_view> InsteadOfPm2Flag(std::string_view flag) {
  const auto* found =
      std::ranges::find(kPm2Flags, flag, &std::pair<std::string_view, std::string_view>::first);
  if (found == kPm2Flags.end()) return std::nullopt;
  return found->second;
}

}  // namespace oxherd::cli
