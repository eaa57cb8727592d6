// Where things are: the folders of a home, for a user, for root, or below OXHERD_HOME.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace oxherd::cli {

struct Places {
  std::string state;  // state.json and daemon.lock
  std::string run;    // the control socket
  std::string logs;
  std::string home;  // the passwd entry's folder: where ~/.config is
  uid_t uid = 0;
  // What `daemon run` reads by itself; empty with OXHERD_HOME, as it belongs to the daemon without.
  std::string own_oxfile;

  [[nodiscard]] std::string lock() const { return state + "/daemon.lock"; }
  // The Oxfiles of programs that were typed (`start server.js`), one each.
  [[nodiscard]] std::string typed_programs() const { return state + "/programs"; }
  [[nodiscard]] std::string daemon_log() const { return logs + "/daemon.log"; }
};

// The name of the socket in Places::run.
inline constexpr const char* kControlSocket = "control.sock";

// Pure: `override` is OXHERD_HOME (empty as good as none), `folder` the working directory.
[[nodiscard]] Places PlacesFor(uid_t uid, std::string_view home, std::string_view override_home,
                               std::string_view folder);

// Of this process. Where the user has no home, or one that cannot be written to, everything is
// below /tmp/oxherd-UID, or /dev/shm/oxherd-UID, which is made; fails where that cannot be either.
// Reads /etc/passwd; only for users who are not in it is getent(1) asked, which may block.
[[nodiscard]] Result<Places> FindPlaces();

// The folder of the entry for `uid` in the text of a passwd(5) file.
[[nodiscard]] std::optional<std::string> HomeInPasswd(std::string_view text, uid_t uid);

// Makes the folders that are missing, 0700. Refuses those of somebody else, and symlinks. The error
// is one line that names OXHERD_HOME.
[[nodiscard]] Status MakePlaces(const Places& places);

// The working directory, absolute.
[[nodiscard]] Result<std::string> WorkingFolder();

}  // namespace oxherd::cli
