// What a daemon is started with: the descriptors it finds open, and its first arguments.
//
// The keeper runs `PATH --state DIR --runtime DIR [ARGUMENT...]`, where the rest is what followed
// "--" on its own command line, in a session of its own, with the keeper's environment (less what
// systemd says to its main process alone), directory and standard descriptors, and with all signals
// unblocked and at their defaults. These are open, and nothing else:
#pragma once

namespace oxherd::keeper {

constexpr int kKeeperSocket = 3;   // SOCK_SEQPACKET, does not block: keeper/protocol.h
constexpr int kControlSocket = 4;  // listening, does not block: <runtime>/control.sock
constexpr int kHomeLock = 5;       // the lock that the keeper holds: os/lock.h
constexpr int kImage = 6;          // memfd, empty at first, the same for all daemons of this keeper

constexpr const char* kLockName = "daemon.lock";
constexpr const char* kControlSocketName = "control.sock";

}  // namespace oxherd::keeper
