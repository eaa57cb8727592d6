// The Express example, installed where a test can run it.
#pragma once

#include "tests/e2e/home.h"

namespace oxherd::e2e {

bool HasNode();

// False, with a message that says what is missing, where node, npm or the ports 4000 and 4001 are
// not to be had.
bool ExpressCanRun();

// Copies examples/express into home.folder() and runs `npm ci` there; blocks for seconds.
void InstallExpress(const Home& home);

}  // namespace oxherd::e2e
