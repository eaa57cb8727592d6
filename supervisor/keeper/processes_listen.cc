// Held listening sockets: made ready before a spawn, and given to the preload library.
#include <optional>

#include "keeper/processes.h"
#include "os/held_socket.h"

namespace oxherd::keeper {

// One that cannot be renewed is handed over as it is: its program fares as it would without us.
void Processes::RenewListening(const PlanView& plan) {
  mapped_.resize(plan.descriptor_count());
  plan.Descriptors(mapped_);
  for (const PlanView::Descriptor& one : mapped_) {
    if (one.open != MappedDescriptor::Open::kListening) continue;
    const std::optional<Place> place = book_.FindHeld(HeldName(one.name));
    if (!place || *place >= held_.size()) continue;
    static_cast<void>(os::RenewListening(held_[*place].get()).has_value());
  }
}

// Whoever has the secret is of the process's tree. A program of root may have become somebody else.
bool Processes::MayFetch(const Kept& kept, const FetchRequest& request, std::uint32_t uid) const {
  if (!kept.listen || !IsSame(kept.listen->secret, request.secret)) return false;
  return kept.uid == 0 || uid == 0 || uid == kept.uid;
}

Processes::Fetched Processes::Fetch(const FetchRequest& request, std::uint32_t uid) {
  const std::optional<Place> place = book_.Find(request.token);
  if (!place || *place >= kept_.size() || !MayFetch(kept_[*place], request, uid)) {
    return {.verdict = OXHERD_FETCH_DENIED};
  }
  const std::string_view service = book_.records()[*place].label.service.text();
  const std::uint16_t number = kept_[*place].listen->number;
  Fit best = Fit::kOtherPort;
  Place best_place = 0;
  for (Place at = 0; at < book_.held_places() && at < held_.size(); ++at) {
    if (!IsSocketOf(book_.held_name(at), service, number)) continue;
    const auto bound = os::BoundAddress(held_[at].get());
    if (!bound || !*bound) continue;
    const Fit fit = FitOf(**bound, request.asked);
    if (fit <= best) continue;
    best = fit;
    best_place = at;
  }
  switch (best) {
    case Fit::kOtherPort:  // the library asks for such a port only where none is known
      book_.OnListenRefused(request.token, ListenMismatch::kUnlisted, request.asked);
      return {.verdict = OXHERD_FETCH_UNKNOWN};
    case Fit::kTooWide:
      book_.OnListenRefused(request.token, ListenMismatch::kWidth, request.asked);
      return {.verdict = OXHERD_FETCH_WIDTH};
    case Fit::kOtherFamily:
      book_.OnListenRefused(request.token, ListenMismatch::kFamily, request.asked);
      return {.verdict = OXHERD_FETCH_FAMILY};
    case Fit::kNarrower:
    case Fit::kExact:
      break;
  }
  book_.OnListenTaken(request.token, best_place);
  return {.verdict = OXHERD_FETCH_GIVEN, .descriptor = held_[best_place].get()};
}

}  // namespace oxherd::keeper
