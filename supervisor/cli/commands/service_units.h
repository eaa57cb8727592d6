// The texts of the units in packaging/systemd/, with @OXHERD@ and @LIBDIR@ where paths go. CMake
// makes the .cc of them, so that the programs can write a unit without the package's files.
#pragma once

namespace oxherd::cli {

extern const char* const kSystemUnit;
extern const char* const kOfUserUnit;
extern const char* const kUserUnit;

}  // namespace oxherd::cli
