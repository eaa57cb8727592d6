// listen = "auto": the first TCP address that an instance binds becomes the service's.
//
// The first instance of a generation whose address is not known starts alone. What it asks for in
// its first bind(2) is written into the spec of its generation, and it starts once more: from then
// on nothing here is different from a service whose file names the address. One that is ready
// without having bound anything is taken for a program without a port.
#pragma once

#include <optional>

#include "core/context.h"

namespace oxherd {

// Where nothing was bound for so long, nothing will be.
constexpr Millis kBindsWithin = Seconds(10);

// Another instance of its generation is to find the address first.
[[nodiscard]] bool WaitsForAddress(const Context& context, const Service& service, SlotIndex slot,
                                   Which which);

// Whether an instance of this generation that is started now is asked for the address that it
// binds. Once one has been Ready it is not: what they bind from then on is their own affair, and
// waiting to be heard of would only hold them up.
[[nodiscard]] bool IsToTellAddress(const Service& service, Generation generation);

// How long this policy's instance is waited for until it is taken to bind nothing; nothing: it has
// an address, or needs none.
[[nodiscard]] std::optional<Millis> MayBindWithin(const Policy& policy);

// What is known of a service's address goes into a spec of it that was read anew. Where nothing of
// it runs, or something has changed, its program may bind another one now.
enum class Runs : std::uint8_t { kNo, kYes };
void KeepFoundAddress(Spec& spec, const Spec& earlier, Runs runs);

// The same for a generation that was asked for before the address of the other one was found.
void ShareFoundAddress(Service& service, Generation from, Generation target);

// Whether this refusal tells the address of a service that has listen = "auto".
[[nodiscard]] bool TellsAddress(const Service& service, const Instance& instance,
                                const event::AddressRefused& refused);

// An instance has asked for an address that its service does not have.
void AddressWasFound(Context& context, Service& service, SlotIndex slot, Which which,
                     const event::AddressRefused& asked);

}  // namespace oxherd
