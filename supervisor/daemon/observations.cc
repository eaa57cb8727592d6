#include "daemon/observations.h"

#include <algorithm>
#include <unordered_set>

namespace oxherd {

void Observations::NoteHappening(const std::string& service, control::Happening happening) {
  std::deque<control::Happening>& list = happenings_[service];
  list.push_back(std::move(happening));
  if (list.size() > kHappeningsPerService) list.pop_front();
}

std::vector<control::Happening> Observations::HappeningsOf(const std::string& service) const {
  const auto found = happenings_.find(service);
  if (found == happenings_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

control::Health Observations::HealthOf(Token token) const {
  const auto found = health_.find(token);
  return found == health_.end() ? control::Health{} : found->second;
}

const Observations::Foreign* Observations::ForeignOf(Token token) const {
  const auto found = foreign_.find(token);
  return found == foreign_.end() ? nullptr : &found->second;
}

const std::string* Observations::TroubleOf(Token token) const {
  const auto found = troubles_.find(token);
  return found == troubles_.end() ? nullptr : &found->second;
}

const std::string* Observations::StatusOf(Token token) const {
  const auto found = statuses_.find(token);
  return found == statuses_.end() ? nullptr : &found->second;
}

const std::string* Observations::RemarkOf(Token token) const {
  const auto found = remarks_.find(token);
  return found == remarks_.end() ? nullptr : &found->second;
}

const std::string* Observations::PortTakenOf(Token token) const {
  const auto found = ports_taken_.find(token);
  return found == ports_taken_.end() ? nullptr : &found->second;
}

const control::Happening* Observations::ReplacedOf(const InstanceId& instance) const {
  const auto found = replaced_.find(instance);
  return found == replaced_.end() ? nullptr : &found->second;
}

std::uint32_t Observations::RowOf(const InstanceId& instance) {
  const auto [place, is_new] = rows_.try_emplace(instance, next_row_);
  if (is_new) ++next_row_;
  return place->second;
}

std::optional<InstanceId> Observations::InstanceOfRow(std::uint32_t row) const {
  const auto found = std::ranges::find(rows_, row, &decltype(rows_)::value_type::second);
  return found == rows_.end() ? std::nullopt : std::optional(found->first);
}

void Observations::Trim(const State& state) {
  std::unordered_set<Token> tokens;
  for (const Service& service : state.services) {
    for (const Slot& slot : service.slots) {
      for (const Instance* instance :
           {&slot.current, slot.replacement ? &*slot.replacement : nullptr}) {
        if (instance == nullptr) continue;
        tokens.insert(instance->token());
        tokens.insert(instance->failure.token);
      }
    }
  }
  for (const RequestRecord& request : state.requests) {
    for (const RequestItem& item : request.items) tokens.insert(item.failure.token);
  }
  const auto is_over = [&](const auto& entry) { return !tokens.contains(entry.first); };
  std::erase_if(health_, is_over);
  std::erase_if(foreign_, is_over);
  std::erase_if(troubles_, is_over);
  std::erase_if(statuses_, is_over);
  std::erase_if(remarks_, is_over);
  std::erase_if(takers_, [&](Token token) { return !tokens.contains(token); });
  std::erase_if(ports_taken_, is_over);
  std::erase_if(refused_, [&](Token token) { return !tokens.contains(token); });
  std::erase_if(happenings_, [&](const auto& entry) { return state.Find(entry.first) == nullptr; });
  const auto is_no_slot = [&](const auto& entry) {
    const Service* const service = state.Find(entry.first.service);
    return service == nullptr || entry.first.slot >= service->slots.size();
  };
  std::erase_if(reloads_, [&](const auto& entry) { return state.Find(entry.first) == nullptr; });
  std::erase_if(rows_, is_no_slot);
  std::erase_if(replaced_, is_no_slot);
}

}  // namespace oxherd
