// The file `instances` in the runtime directory: what is running, for a keeper that finds nobody
// alive to ask.
//
// Written in place, one block for each change, without fsync: it is for our own death, not for that
// of the machine, after which none of it is true. Source: pwrite(2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "keeper/book.h"
#include "keeper/succession.h"
#include "os/fd.h"

namespace oxherd::keeper {

class Journal {
 public:
  Journal(std::string runtime, std::string state)
      : runtime_(std::move(runtime)), state_(std::move(state)) {}

  // What is there from before; nothing where there is no file. An error says why it cannot be used.
  [[nodiscard]] static Result<std::optional<Estate>> Read(const std::string& runtime);

  // Whether the last keeper of this home has left without an end in order: a mark in the state
  // directory, which outlives the runtime directory.
  [[nodiscard]] static bool WasLeft(const std::string& state);

  // Begins anew, in one step: an old file stays until the first blocks are written and Publish is
  // called.
  [[nodiscard]] Status Begin(const Preamble& preamble);
  [[nodiscard]] Status Publish();
  // A failure leaves the file behind what is true; the next change of the place tries again.
  void Write(Place place, const LeftProcess& process);
  void WriteFree(Place place, Token last);
  void WriteHeld(Place place, const LeftHeld& held);
  void WriteHeldFree(Place place);
  // Whether somebody has deleted or replaced it.
  [[nodiscard]] bool IsMissing() const;
  // Nothing is left to be found.
  void Remove();

 private:
  void Put(std::uint64_t number, const Block& block);

  std::string runtime_;
  std::string state_;
  os::Fd file_;
};

}  // namespace oxherd::keeper
