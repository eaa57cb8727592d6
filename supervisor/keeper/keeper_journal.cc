// What the keeper writes down while it lives, and takes up at its start.
#include <algorithm>

#include "keeper/keeper.h"
#include "os/clock.h"
#include "os/former_process.h"

namespace oxherd::keeper {

void Keeper::Inherit(Inheritance left) {
  const Instant now = os::Now();
  book_.InheritCounts(left.highest, left.preamble.daemon_number);
  for (AdoptedHeld& held : left.held) processes_->InheritHeld(std::move(held));
  for (Adopted& adopted : left.processes) processes_->Inherit(std::move(adopted), now);
}

Preamble Keeper::DescribeOurselves() const {
  Preamble preamble;
  if (const auto boot = os::ReadBootId()) preamble.boot = *boot;
  preamble.daemon_number = book_.daemon_number();
  preamble.cgroup_root = processes_->cgroup_root();
  if (fetch_socket_) preamble.listen_socket = fetch_socket_->text();
  preamble.open_files_soft = open_files_.soft;
  preamble.open_files_hard = open_files_.hard;
  return preamble;
}

// An old one stays in its place until all that is true is in the new one.
void Keeper::BeginJournal() {
  Status begun = journal_.Begin(DescribeOurselves());
  if (begun) {
    WriteAll();
    begun = journal_.Publish();
  }
  if (!begun) {
    warnings_.push_back(begun.error().message +
                        "; if keeper and daemon are both killed, what runs will not be found");
  }
}

void Keeper::WriteAll() {
  for (Place place = 0; place < book_.records().size(); ++place) {
    if (book_.records()[place].token.is_set()) journal_.Write(place, processes_->Describe(place));
  }
  for (Place place = 0; place < book_.held_places(); ++place) {
    if (!book_.held_name(place).empty()) {
      journal_.WriteHeld(place, processes_->DescribeHeld(place));
    }
  }
}

void Keeper::WriteJournal() {
  while (const std::optional<Place> place = book_.NextChanged()) {
    if (book_.records()[*place].token.is_set()) {
      journal_.Write(*place, processes_->Describe(*place));
    } else {
      journal_.WriteFree(*place, book_.highest());
    }
  }
  while (const std::optional<Place> place = book_.NextChangedHeld()) {
    if (book_.held_name(*place).empty()) {
      journal_.WriteHeldFree(*place);
    } else {
      journal_.WriteHeld(*place, processes_->DescribeHeld(*place));
    }
  }
}

// Instances that were left running are found by the next keeper.
void Keeper::EndJournal() {
  const auto is_left = [](const Record& record) {
    return record.token.is_set() && !record.failed && record.phase != Phase::kGone;
  };
  WriteJournal();
  if (!std::ranges::any_of(book_.records(), is_left)) journal_.Remove();
}

}  // namespace oxherd::keeper
