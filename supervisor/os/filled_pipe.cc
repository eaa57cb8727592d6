#include "os/filled_pipe.h"

#include <unistd.h>

#include "os/system_call.h"

namespace oxherd::os {

SystemResult<Fd> PipeWith(std::string_view text) {
  SystemResult<Pipe> pipe = MakePipe(PipeReading::kBlocks);
  if (!pipe) return std::unexpected(pipe.error());
  const SystemResult<std::size_t> room = PipeRoom(pipe->read_end.get());
  if (!room) return std::unexpected(room.error());
  text = text.substr(0, *room);
  while (!text.empty()) {
    const ssize_t written =
        Try([&] { return ::write(pipe->write_end.get(), text.data(), text.size()); });
    if (written < 0) return LastErrno();
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return std::move(pipe->read_end);
}

}  // namespace oxherd::os
