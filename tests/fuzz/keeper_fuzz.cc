// Fuzzes what the keeper reads: messages and plans of the daemon, fetches of anybody. A message
// that is accepted is said again without loss; a plan that is accepted can be read to its last
// member.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "keeper/fetch.h"
#include "keeper/plan.h"
#include "keeper/protocol.h"

namespace {

using namespace oxherd::keeper;

template <typename Message, typename Decode>
void FuzzMessage(std::span<const std::byte> bytes, Decode decode) {
  const std::optional<Message> message = decode(bytes);
  if (!message) return;
  MessageBuffer buffer;
  const std::span<const std::byte> said = Encode(*message, buffer);
  OXHERD_CHECK(decode(said) == message, "a message that changes on its way");
  OXHERD_CHECK(AttachedCount(*message) <= kMaxAttached + 1, "more descriptors than travel");
}

void FuzzPlan(std::span<const std::byte> bytes) {
  const std::optional<PlanView> plan = PlanView::Open(bytes);
  if (!plan) return;
  std::size_t total = std::strlen(plan->program()) + std::strlen(plan->directory());
  std::vector<const char*> texts(plan->argument_count());
  plan->Arguments(texts);
  for (const char* text : texts) total += std::strlen(text);
  texts.resize(plan->environment_count());
  plan->Environment(texts);
  for (const char* text : texts) total += std::strlen(text);
  OXHERD_CHECK(total <= bytes.size(), "texts beyond the plan");
  std::vector<PlanView::Descriptor> descriptors(plan->descriptor_count());
  plan->Descriptors(descriptors);
  std::vector<std::uint32_t> groups(plan->group_count());
  plan->Groups(groups);
  std::vector<ResourceLimit> limits(plan->limit_count());
  plan->Limits(limits);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  FuzzMessage<Request>(bytes, DecodeRequest);
  FuzzMessage<Report>(bytes, DecodeReport);
  FuzzPlan(bytes);
  if (const auto fetch = ParseFetchRequest(bytes)) {
    OXHERD_CHECK(fetch->token.is_set() && fetch->asked.port != 0, "a fetch that says nothing");
    OXHERD_CHECK(FitOf(fetch->asked, fetch->asked) != Fit::kOtherPort, "its own port is another");
  }
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  OXHERD_CHECK(!IsSocketOf(text, "api", 1) || text.starts_with("api\n"), "a name of another");
  return 0;
}
