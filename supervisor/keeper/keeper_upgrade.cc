// A new program of the keeper's in the place of this one: it keeps its pid, its children and all
// that it holds.
//
// The only thing that allocates after the start; when it fails, everything is as it was.
#include <fcntl.h>

#include <span>
#include <string>
#include <vector>

#include "keeper/keeper.h"
#include "os/background_program.h"

namespace oxherd::keeper {
namespace {

constexpr std::size_t kMostPathBytes = 16'384;

// Whether what the estate names is open after an exec.
enum class OverExec { kKept, kClosed };
void Mark(const Estate& estate, int memfd, OverExec what) {
  const auto mark = [what](int descriptor) {
    const int flags = what == OverExec::kKept ? 0 : FD_CLOEXEC;
    if (descriptor >= 0) ::fcntl(descriptor, F_SETFD, flags);
  };
  mark(memfd);
  ForEachDescriptor(estate, mark);
}

std::vector<std::string> WordsFor(const Arguments& arguments, int estate) {
  std::vector<std::string> words = {
      "--state",  arguments.state,  "--runtime", arguments.runtime,
      "--daemon", arguments.daemon, "--estate",  std::to_string(estate)};
  if (arguments.ground == Ground::kForeground) words.emplace_back("--foreground");
  words.emplace_back("--");
  words.insert(words.end(), arguments.daemon_arguments.begin(), arguments.daemon_arguments.end());
  return words;
}

}  // namespace

// Paths that cannot be read are found missing when they are used.
void Keeper::NoteUpgrade(int paths) {
  new_keeper_.clear();
  const auto mapping = os::Mapping::Open(paths, kMostPathBytes);
  if (!mapping) return;
  const std::string_view text(reinterpret_cast<const char*>(mapping->bytes().data()),
                              mapping->bytes().size());
  const std::size_t first = text.find('\0');
  const std::size_t second = text.find('\0', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return;
  new_keeper_ = text.substr(0, first);
  arguments_.daemon = text.substr(first + 1, second - first - 1);
}

Estate Keeper::DescribeAll() {
  Estate estate;
  estate.preamble = DescribeOurselves();
  estate.preamble.lock = home_.lock();
  estate.preamble.control_socket = home_.control_socket();
  estate.preamble.image = daemon_->image();
  if (fetch_socket_) estate.preamble.fetch_socket = fetch_socket_->number();
  for (Place place = 0; place < book_.records().size(); ++place) {
    if (!book_.records()[place].token.is_set()) continue;
    LeftProcess left = processes_->Describe(place);
    processes_->NumberIn(left, place);
    estate.processes.push_back(left);
  }
  for (Place place = 0; place < book_.held_places(); ++place) {
    if (book_.held_name(place).empty()) continue;
    LeftHeld left = processes_->DescribeHeld(place);
    left.descriptor = processes_->held_descriptor(place);
    estate.held.push_back(left);
  }
  estate.highest = book_.highest();
  return estate;
}

void Keeper::ExecAnew(Instant now) {
  int failure = ENOENT;
  if (!new_keeper_.empty()) {
    const Estate estate = DescribeAll();
    const std::string bytes = EncodeEstate(estate);
    auto memfd = os::MakeSealedMemfd("oxherd-estate", std::as_bytes(std::span(bytes)));
    failure = memfd ? 0 : memfd.error().number;
    if (memfd) {
      Mark(estate, memfd->get(), OverExec::kKept);
      failure = os::Become(new_keeper_, WordsFor(arguments_, memfd->get())).number;
      Mark(estate, memfd->get(), OverExec::kClosed);
    }
  }
  daemon_->SetProgram(arguments_.daemon);
  book_.OnUpgradeFailed(failure, now);
}

}  // namespace oxherd::keeper
