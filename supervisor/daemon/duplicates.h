// A duplicate of everything that the keeper holds, so that its death ends nothing.
//
// It is told of all that goes down to the keeper and all that comes up; what the keeper lets go of
// is let go of here. Costs a few open files for each process, and nothing else.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "keeper/protocol.h"
#include "keeper/succession.h"
#include "os/fd.h"

namespace oxherd {

class Duplicates {
 public:
  // A request that is on its way; `attached` is not needed any more.
  void OnSent(const keeper::Request& request, std::vector<os::Fd> attached);
  // A report; `attached` stays the caller's.
  void OnReceived(const keeper::Report& report, std::span<const os::Fd> attached);

  // Writes the numbers of what is here into an estate; what it has and we do not stays -1.
  void NumberIn(keeper::Estate& estate) const;

 private:
  struct OfProcess {
    os::Fd pidfd;
    std::vector<os::Fd> held;  // in the order of the roles that the keeper holds
  };
  std::unordered_map<Token, OfProcess> processes_;
  std::map<std::string, os::Fd, std::less<>> held_;
};

}  // namespace oxherd
