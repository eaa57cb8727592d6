// The whole terminal for a while: keys as they are typed, the alternate screen, and everything as
// it was afterwards, whatever ends the program (but for SIGKILL).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace oxherd::os {

struct ScreenSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
  friend bool operator==(const ScreenSize&, const ScreenSize&) = default;
};

class FullScreen {
 public:
  // Takes the terminal of standard input and output; ENOTTY if either is none. One at a time.
  // SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT and SIGWINCH are blocked and come by
  // NextSignal() from then on. Sources: termios(3), signalfd(2), console_codes(4).
  [[nodiscard]] static Result<FullScreen> Open();
  FullScreen(FullScreen&&) noexcept;
  FullScreen& operator=(FullScreen&&) = delete;
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;
  ~FullScreen();  // gives it back

  // Readable when something was typed; and when a signal came.
  [[nodiscard]] int keys() const;
  [[nodiscard]] int signals() const;
  // Where Flush() waits to be able to write.
  [[nodiscard]] int output() const;

  // What was typed since, which may be nothing. Nothing at all: the terminal is gone.
  [[nodiscard]] std::optional<std::string> ReadKeys();
  // The number of a signal that came; 0: none is left.
  [[nodiscard]] int NextSignal();
  // As the kernel knows it now; 80×24 if it does not. Source: TIOCGWINSZ, ioctl_tty(2).
  [[nodiscard]] ScreenSize Size() const;

  // Makes the screen show `lines` (with their SGR codes, and no wider than it): writes those that
  // differ from what it shows. Does not block: what the terminal does not take yet, Flush() goes
  // on with. While is_writing() nothing new is taken.
  void Show(const std::vector<std::string>& lines);
  void Flush();
  [[nodiscard]] bool is_writing() const;
  // The next Show() writes every line.
  void Forget();

  // Gives the terminal back and stops this process as Ctrl-Z does; takes it again when somebody
  // continues it. Blocks for as long. Source: SIGSTOP, signal(7).
  void Suspend();
  // After a SIGCONT: whoever stopped us may have changed the terminal.
  void TakeAgain();

 private:
  struct Held;
  explicit FullScreen(std::unique_ptr<Held> held);
  std::unique_ptr<Held> held_;
};

}  // namespace oxherd::os
