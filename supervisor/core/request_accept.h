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

// ---- one verb each; a file each: request_start.cc, request_stop.cc, request_reload.cc,
// request_traffic.cc, request_scale.cc

void AcceptStarts(Context& context, const event::Request& request, RequestRecord& record);
void AcceptRestarts(Context& context, const event::Request& request, RequestRecord& record);

// stop, delete.
void AcceptStops(Context& context, const event::Request& request, RequestRecord& record);
void AcceptShutdown(Context& context, const event::Request& request);

// reload, apply.
void AcceptReload(Context& context, const event::Request& request, RequestRecord& record);

// drain, resume: one instance out of traffic by hand, and back.
void AcceptDrain(Context& context, RequestRecord& record, const std::string& name,
                 std::optional<SlotIndex> slot, bool forced);
void AcceptResume(Context& context, RequestRecord& record, const std::string& name,
                  std::optional<SlotIndex> slot);

// reset: restarts and crashes are counted from zero. Nothing is started or stopped.
void AcceptReset(Context& context, RequestRecord& record, const std::string& name,
                 std::optional<SlotIndex> slot);
// scale: begins as soon as no rollout is under way; until then it stays queued.
void AcceptScale(const event::Request& request, RequestRecord& record);
void BeginScale(Context& context, Service& service, RequestItem& item);

// ---- what several of them do

// A service that is new, stopped, in its first generation.
Service& CreateService(Context& context, SpecPtr spec);

// Makes a stopped service one that is wanted, and its slots as many as its spec says. What is still
// stopping is started when it is gone.
void WantService(Context& context, Service& service);

// The service is wanted already: what has ended or was given up is started, the rest left alone.
void StartWhatIsDown(Context& context, Service& service, const RequestItem& item);

// A new generation, if the definition has changed; it is what the next start starts.
void AdoptSpec(Context& context, Service& service, const SpecPtr& spec);

// Whoever waits for the service to be deleted is told that `by` overtook it.
void AbortDeletes(Context& context, const std::string& service, Verb by);

}  // namespace oxherd
