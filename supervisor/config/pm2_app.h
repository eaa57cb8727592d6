// One app of PM2's as one [processes.NAME]; internal to pm2_import.
#pragma once

#include <string>
#include <vector>

#include "config/pm2_import.h"

namespace oxherd {

// The text of the service, from its header on, and what a person must look at. `name` is its name
// here; `dropped` are variables that were left out.
struct Pm2Service {
  std::string text;
  std::vector<std::string> warnings;
};
[[nodiscard]] Pm2Service ConvertPm2App(const Table& app, const std::string& name,
                                       const std::vector<std::string>& dropped,
                                       const Pm2Source& source);

}  // namespace oxherd
