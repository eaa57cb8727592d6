// Who may reach the control socket besides its owner: the folders on the way to it and the socket
// itself are opened for one group. Who then connects is asked of the kernel (control_server).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"

namespace oxherd {

struct ControlPlaces {
  std::string state_folder;  // on the way only where the runtime folder is below it
  std::string runtime_folder;
  std::string socket;
};

// The group may pass through the folders (0710) and connect (0660). Without a group: nobody but the
// owner (0700, 0600), as they were made. Nothing of somebody else's is touched, and no link is
// followed. chown(2), chmod(2).
[[nodiscard]] Status LetConnect(const ControlPlaces& places, std::optional<std::uint32_t> group);

}  // namespace oxherd
