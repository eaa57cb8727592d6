#include "daemon/succession.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "os/background_program.h"
#include "os/file.h"
#include "os/process.h"

namespace oxherd {
namespace {

constexpr std::size_t kMostEstateBytes = std::size_t{32} << 20;

void KeepOverExec(int descriptor) {
  if (descriptor >= 0) ::fcntl(descriptor, F_SETFD, 0);
}

}  // namespace

Result<keeper::Estate> EstateFor(const Arguments& arguments, const Duplicates& duplicates,
                                 const Belongings& belongings) {
  const std::string path = arguments.runtime_folder + "/" + keeper::kJournalName;
  OXHERD_TRY_ASSIGN(const std::string bytes, os::ReadFile(path, kMostEstateBytes));
  Result<keeper::Estate> estate = keeper::DecodeEstate(std::as_bytes(std::span(bytes)));
  if (!estate) return std::unexpected(std::move(estate).error().In(path));
  for (keeper::LeftProcess& process : estate->processes) process.is_child = false;
  estate->preamble.lock = belongings.lock.get();
  estate->preamble.control_socket = belongings.control_socket.get();
  estate->preamble.image = belongings.image.get();
  duplicates.NumberIn(*estate);
  return estate;
}

Error BecomeKeeper(const Arguments& arguments, const keeper::Estate& estate) {
  const auto keeper = os::FindInstalled("oxherd-keeper");
  if (!keeper) return keeper.error();
  const auto daemon = os::FindInstalled("oxherd-daemon");
  if (!daemon) return daemon.error();
  const std::string bytes = keeper::EncodeEstate(estate);
  auto memfd = os::MakeSealedMemfd("oxherd-estate", std::as_bytes(std::span(bytes)));
  if (!memfd) return memfd.error();
  // Not all that libraries open is close-on-exec, and a client must see that we are gone.
  constexpr unsigned kCloseOnExec = 1U << 2;
  ::syscall(SYS_close_range, 3U, ~0U, kCloseOnExec);
  keeper::ForEachDescriptor(estate, KeepOverExec);
  KeepOverExec(memfd->get());
  std::vector<std::string> words = {"--state",   arguments.state_folder,
                                    "--runtime", arguments.runtime_folder,
                                    "--daemon",  *daemon,
                                    "--estate",  std::to_string(memfd->get()),
                                    "--"};
  std::ranges::move(WordsFor(arguments), std::back_inserter(words));
  return os::Become(*keeper, words);
}

}  // namespace oxherd
