// What each verb does to the services it names, at the moment it is accepted or its turn comes.
//
// Internal to core/request.
#pragma once

#include "core/context.h"
#include "core/state.h"

namespace oxherd {

// Fills `record.items` and sets things going. `record` is not yet in the state.
void AcceptVerb(Context& context, const event::Request& request, RequestRecord& record);

// The turn of a queued item of a reload or an apply has come.
void BeginItem(Context& context, RequestItem& item);

// True if every slot the item is about is up: Ready, or ended as it should.
[[nodiscard]] bool IsUp(const Service& service, const RequestItem& item);

// drain, resume: one instance out of traffic by hand, and back.
void AcceptDrain(Context& context, RequestRecord& record, const std::string& name,
                 std::optional<SlotIndex> slot, bool forced);
void AcceptResume(Context& context, RequestRecord& record, const std::string& name,
                  std::optional<SlotIndex> slot);

}  // namespace oxherd
