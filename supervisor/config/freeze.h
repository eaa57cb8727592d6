// Freezing: tying a spec to the files it means now, so that a generation keeps running, and
// restarting, in the release it came from.
#pragma once

#include <span>

#include "base/error.h"
#include "core/spec.h"

namespace oxherd {

// The spec with `working_dir` resolved through symlinks and `program` set: the file that
// command.argv[0] means, with its folder resolved. A last link (`bin/server ->
// ../releases/7/server`) is followed while it stays below the Oxfile's folder or the working_dir;
// one that leads out of them (a venv's `python`) is kept, as it tells the program who it is. A
// program without a slash is looked up on the PATH of the instance's environment, for which `base`
// is the daemon's base. `program` is to be exec'd as it is, with argv[0] as the user wrote it.
//
// What does not exist is no error here, since starting says it better (stage chdir, exec): a
// missing folder stays as written, a program that is not found leaves `program` empty. Fails only
// where the environment cannot be built. Asks the file system; blocks as it does.
[[nodiscard]] Result<Spec> Freeze(Spec spec, std::span<const EnvEntry> base);

}  // namespace oxherd
