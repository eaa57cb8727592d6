#include "config/profiles.h"

#include <fmt/format.h>

#include <vector>

#include "config/nearest.h"

namespace oxherd {

namespace {

constexpr std::size_t kShownName = 64;

}  // namespace

Profiles::Profiles(const ReadOptions& options) : options_(options) {
  for (const auto& [service, profile] : options.remembered_profiles) {
    if (profile.empty() || profile == shared_) continue;
    if (!shared_.empty()) {
      shared_.clear();
      break;
    }
    shared_ = profile;
  }
}

std::string_view Profiles::ChosenFor(std::string_view service) const {
  if (options_.profile) return *options_.profile;
  const auto found = options_.remembered_profiles.find(service);
  return found == options_.remembered_profiles.end() ? shared_ : found->second;
}

bool Profiles::Read(Section section, const Table& table, const Place& place,
                    std::string_view chosen) {
  const Entry* entry = table.Find("profiles");
  const auto* profiles = entry == nullptr ? nullptr : entry->value.As<Table>();
  if (profiles == nullptr) return false;
  if (first_path_.empty()) {
    first_ = entry->position;
    first_path_ = place.path + ".profiles";
  }
  const auto read = [&](const Entry& profile, Draft& draft) {
    const auto* keys = profile.value.As<Table>();
    if (keys == nullptr) return;  // has its error
    const Place below{.path = fmt::format("{}.profiles.{}", place.path, profile.key),
                      .prefix = "",
                      .layer = place.layer == Layer::kOwn ? Layer::kProfile : place.layer,
                      .draft = draft,
                      .supervisor = place.supervisor,
                      .errors = place.errors,
                      .options = place.options,
                      .folder = place.folder,
                      .in_profile = true};
    if (below.layer == Layer::kProfile) draft.profile_table = below.path;
    ReadSection(section, *keys, below);
  };
  const Entry* counts = nullptr;
  for (const Entry& profile : profiles->entries) {
    names_.insert(profile.key);
    if (profile.key == chosen) {
      counts = &profile;
      continue;
    }
    Draft unused = place.draft;
    read(profile, unused);
  }
  if (counts != nullptr) read(*counts, place.draft);
  return counts != nullptr;
}

void Profiles::Settle(Draft& draft, bool has_it, ErrorList& errors) const {
  const std::string_view chosen = ChosenFor(draft.spec.name);
  draft.spec.profile.reset();
  if (has_it) {
    draft.spec.profile = std::string(chosen);
    return;
  }
  const auto known = options_.remembered_profiles.find(draft.spec.name);
  const bool remembered = known != options_.remembered_profiles.end();
  if (chosen.empty()) {
    // That none is wanted is remembered where there is something to want.
    if (options_.profile ? draft.Find("profiles") != nullptr : remembered) draft.spec.profile = "";
  } else if (!options_.profile && remembered) {
    errors.Add(draft.position, draft.table,
               fmt::format("runs with --env {}, and has no such profile any more; put it back, or "
                           "say --env NAME, or --env '' for none",
                           chosen.substr(0, kShownName)));
  }
}

void Profiles::CheckAsked(ErrorList& errors) const {
  if (!options_.profile || options_.profile->empty() || names_.contains(*options_.profile)) return;
  const std::string asked = options_.profile->substr(0, kShownName);
  if (names_.empty()) {
    errors.Add({}, "",
               fmt::format("has no profile, and --env asks for \"{}\"; add "
                           "[processes.NAME.profiles.{}], or leave --env out",
                           asked, asked));
    return;
  }
  const std::vector<std::string_view> names(names_.begin(), names_.end());
  if (const auto nearest = Nearest(*options_.profile, names)) {
    errors.Add(first_, first_path_,
               fmt::format("there is no profile \"{}\"; did you mean --env {}?", asked, *nearest));
    return;
  }
  std::string list;
  for (const std::string_view name : names) {
    if (list.size() > 200) break;
    list += (list.empty() ? "" : ", ") + std::string(name.substr(0, kShownName));
  }
  errors.Add(first_, first_path_,
             fmt::format("there is no profile \"{}\"; write --env with one of: {}", asked, list));
}

}  // namespace oxherd
