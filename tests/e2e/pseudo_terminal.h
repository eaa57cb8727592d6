// A program on a terminal that the test holds: types, reads what is drawn, looks at the settings.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <string>
#include <string_view>

#include "tests/e2e/command.h"

namespace oxherd::e2e {

class PseudoTerminal {
 public:
  PseudoTerminal(const Invocation& invocation, unsigned short columns, unsigned short rows);
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;
  ~PseudoTerminal();  // kills and reaps what was not waited for

  [[nodiscard]] pid_t pid() const { return pid_; }
  void Type(std::string_view keys) const;
  void Resize(unsigned short columns, unsigned short rows) const;
  // Reads until all that was drawn since the last call contains `text`, and returns it; fails the
  // test after `deadline`.
  std::string ReadUntil(std::string_view text, milliseconds deadline = seconds(10));
  // Reads the rest and reaps: the exit code, or 128 + the signal. Fails the test after `deadline`.
  int Wait(milliseconds deadline = seconds(10));
  // Everything that was ever drawn.
  [[nodiscard]] const std::string& all() const { return all_; }
  // Of the terminal, before the program and now.
  [[nodiscard]] const termios& settings_before() const { return before_; }
  [[nodiscard]] termios Settings() const;
  // True if the program has taken the whole screen and given it back, settings included.
  [[nodiscard]] bool IsAsBefore() const;

 private:
  bool ReadSome(int timeout_ms);

  pid_t pid_ = -1;
  int master_ = -1;
  int slave_ = -1;  // keeps the terminal alive when the program has ended
  termios before_{};
  std::string all_;
  std::size_t read_ = 0;
};

}  // namespace oxherd::e2e
