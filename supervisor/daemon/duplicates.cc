#include "daemon/duplicates.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace oxherd {
namespace {

// An empty one where there is no room for it: then that one is lost with the keeper.
os::Fd CopyOf(const os::Fd& original) {
  os::SystemResult<os::Fd> copy = os::Duplicate(original.get());
  return copy ? std::move(*copy) : os::Fd();
}

}  // namespace

void Duplicates::OnSent(const keeper::Request& request, std::vector<os::Fd> attached) {
  if (const auto* spawn = std::get_if<keeper::Spawn>(&request)) {
    OfProcess process;
    for (std::size_t i = 0; i < attached.size() && i < spawn->roles.count; ++i) {
      const keeper::Role role = spawn->roles.list[i];
      if (role == keeper::Role::kPlan || role == keeper::Role::kPassed) continue;
      process.held.push_back(std::move(attached[i]));
    }
    processes_.insert_or_assign(spawn->token, std::move(process));
  } else if (const auto* ack = std::get_if<keeper::Ack>(&request)) {
    processes_.erase(ack->token);
  } else if (const auto* hold = std::get_if<keeper::Hold>(&request)) {
    if (!attached.empty()) {
      held_.insert_or_assign(std::string(hold->name.text()), std::move(attached.front()));
    }
  } else if (const auto* drop = std::get_if<keeper::Drop>(&request)) {
    if (const auto found = held_.find(drop->name.text()); found != held_.end()) held_.erase(found);
  }
}

void Duplicates::OnReceived(const keeper::Report& report, std::span<const os::Fd> attached) {
  if (const auto* started = std::get_if<keeper::Started>(&report)) {
    if (!attached.empty()) processes_[started->token].pidfd = CopyOf(attached.front());
  } else if (const auto* failed = std::get_if<keeper::SpawnFailed>(&report)) {
    processes_.erase(failed->token);
  } else if (const auto* record = std::get_if<keeper::WorldRecord>(&report)) {
    OfProcess process;
    const bool has_pidfd = keeper::HasPidfd(*record) && !attached.empty();
    if (has_pidfd) process.pidfd = CopyOf(attached.front());
    for (const os::Fd& one : attached.subspan(has_pidfd ? 1 : 0)) {
      process.held.push_back(CopyOf(one));
    }
    processes_.insert_or_assign(record->token, std::move(process));
  } else if (const auto* held = std::get_if<keeper::WorldHeld>(&report)) {
    if (!attached.empty()) {
      held_.insert_or_assign(std::string(held->name.text()), CopyOf(attached.front()));
    }
  }
}

void Duplicates::NumberIn(keeper::Estate& estate) const {
  for (keeper::LeftProcess& left : estate.processes) {
    const auto found = processes_.find(left.facts.token);
    if (found == processes_.end()) continue;
    left.pidfd = found->second.pidfd.get();
    const std::vector<os::Fd>& held = found->second.held;
    for (std::size_t i = 0; i < held.size() && i < left.facts.held.count; ++i) {
      left.held[i] = held[i].get();
    }
  }
  for (keeper::LeftHeld& left : estate.held) {
    const auto found = held_.find(left.name.text());
    if (found != held_.end()) left.descriptor = found->second.get();
  }
}

}  // namespace oxherd
