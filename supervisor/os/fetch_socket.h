// The socket where programs that we started ask for descriptors: datagrams in, descriptors out,
// from anybody on the machine who knows its name.
//
// Whoever sends may be hostile. The kernel drops, while it is being sent, every datagram that does
// not begin with the gate, a number that only our children know; descriptors are never taken in
// (closing a stranger's descriptor can block); nothing is kept of who asked. Source: unix(7).
#pragma once

#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "os/fd.h"
#include "os/system_call.h"

namespace oxherd::os {

class FetchSocket {
 public:
  // Binds an abstract name that nobody can guess; allocates, and nothing after it does.
  [[nodiscard]] static Result<FetchSocket> Open();
  // Binds the name again that children of an earlier one know by this text. Fails while somebody
  // has it, and for what is no such text.
  [[nodiscard]] static Result<FetchSocket> OpenAgain(const std::string& text);
  // The very socket of an earlier one.
  FetchSocket(Fd socket, std::string text) : socket_(std::move(socket)), text_(std::move(text)) {}

  [[nodiscard]] int number() const { return socket_.get(); }
  // "NAME:GATE" for the environment of children (listen/fetch.h), at most 64 bytes.
  [[nodiscard]] const std::string& text() const { return text_; }

  struct Asked {
    std::size_t size = 0;   // of what is in the buffer
    std::uint32_t uid = 0;  // as the kernel knows it
    std::int32_t pid = 0;
    sockaddr_un from{};
    std::uint32_t from_size = 0;
  };
  // The next datagram; nothing when none is there. One that was too long for the buffer or has no
  // sender to answer comes as size 0. Never blocks.
  [[nodiscard]] std::optional<Asked> Receive(std::span<std::byte> buffer);
  // Answers, with a copy of `descriptor` unless that is -1. Who does not read loses the answer.
  // Never blocks.
  void Answer(const Asked& asked, std::span<const std::byte> bytes, int descriptor);

 private:
  Fd socket_;
  std::string text_;
};

}  // namespace oxherd::os
