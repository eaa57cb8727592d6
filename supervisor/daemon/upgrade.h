// `oxherd daemon upgrade`: the new programs prove that they can go on from here, before the old
// ones let go of anything.
//
// The new daemon reads a copy of the image, the new keeper what the old one has written down, and
// both have to speak the same protocol. Only then does the daemon ask the keeper for the exchange
// and end; until then a failure changes nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "daemon/arguments.h"
#include "daemon/loop.h"
#include "os/fd.h"

namespace oxherd {

// Absolute paths.
struct Programs {
  std::string keeper;
  std::string daemon;
};

// "oxherd-daemon --check-image": whether this program can go on from the image whose memfd is open
// as `image`. Prints the protocol that it speaks, or to standard error what is wrong; the exit
// code.
[[nodiscard]] int CheckImage(int image);

class Upgrade {
 public:
  // How long each of the new programs may take.
  static constexpr Seconds kPatience{10};

  // `image` is a copy that is the check's alone. `done` is called once, from the loop. An error at
  // once: nothing was begun.
  [[nodiscard]] static Result<std::unique_ptr<Upgrade>> Begin(Loop& loop,
                                                              const Arguments& arguments,
                                                              Programs programs, os::Fd image,
                                                              std::function<void(Status)> done);
  ~Upgrade();
  Upgrade(const Upgrade&) = delete;
  Upgrade& operator=(const Upgrade&) = delete;

  [[nodiscard]] const Programs& programs() const { return programs_; }
  // When OnTime is to be called; kNever when it is over.
  [[nodiscard]] Instant deadline() const { return deadline_; }
  void OnTime(Instant now);

 private:
  Upgrade(Loop& loop, const Arguments& arguments, Programs programs, os::Fd image,
          std::function<void(Status)> done);

  [[nodiscard]] Status Start(const std::string& program, const std::vector<std::string>& words,
                             int passed);
  [[nodiscard]] Status CheckDaemon();
  [[nodiscard]] Status CheckKeeper();
  void OnEnded();
  void Finish(Status status);

  Loop& loop_;
  const Arguments& arguments_;
  Programs programs_;
  os::Fd image_;
  std::function<void(Status)> done_;
  std::string output_;  // a file, of the check that runs
  std::string program_;
  os::Fd pidfd_;
  std::unique_ptr<Loop::Watch> watch_;
  Instant deadline_ = kNever;
  std::optional<std::string> daemon_said_;
};

}  // namespace oxherd
