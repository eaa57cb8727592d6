// What brings services back after a reboot: the systemd unit of this daemon, of another user's, or
// under a user's own service manager.
#pragma once

#include <string>
#include <string_view>

#include "cli/places.h"
#include "cli/session.h"

namespace oxherd::cli {

// `oxherd service install|uninstall|status [--user]`, `startup` and `unstartup`. Exit code. They
// wait for systemctl(1).
int InstallService(const Session& session);
int UninstallService(const Session& session);
int ShowService(const Session& session);
int Startup(const Session& session);
int Unstartup(const Session& session);

// Whether a unit that is enabled brings the services of these places back after a reboot; true
// where there is nothing to say: no systemd, or a home that no unit knows (OXHERD_HOME). `user` is
// the name for oxherd@USER. Below `root`, which tests set.
[[nodiscard]] bool ComesBack(const Places& places, std::string_view user,
                             const std::string& root = "");

// Whose unit, and under which service manager.
enum class UnitKind : std::uint8_t {
  kSystem,  // root's own daemon: oxherd.service
  kOfUser,  // oxherd@USER.service: under the system's manager
  kUser,    // a user's own: systemctl --user
};

// The text of the unit for programs that lie there.
[[nodiscard]] std::string UnitText(UnitKind kind, std::string_view oxherd,
                                   std::string_view library);

}  // namespace oxherd::cli
