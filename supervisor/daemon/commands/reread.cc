// The two occasions on which files are read again without a command: SIGHUP and a boot.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "config/freeze.h"
#include "config/include.h"
#include "core/auto_listen.h"
#include "core/supervisor.h"
#include "daemon/commands/command_reader.h"
#include "daemon/launch/run_as.h"
#include "os/random.h"

namespace oxherd {
namespace {

void Append(RenderedErrors& errors, RenderedErrors more) {
  errors.insert(errors.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
}

enum class Known { kNo, kYes };

// The file at `path`; nothing, and its errors, if it does not hold or must not be read. The
// daemon's own need not be there as long as nothing of it is known.
std::optional<Oxfile> Load(const std::string& path, const OwnOxfile* own, Known known,
                           const Surroundings& surroundings, ProfileWish profiles,
                           RenderedErrors& errors) {
  if (own != nullptr && own->path == path) {
    const bool is_missing = ::access(path.c_str(), F_OK) != 0 && errno == ENOENT;
    if (is_missing && known == Known::kNo) return std::nullopt;
    const std::string why = own->is_named || ::geteuid() != 0 ? "" : WhyUnsafeForRoot(path);
    if (!why.empty()) {
      errors.push_back(path + ": " + why + ": root does not read it");
      return std::nullopt;
    }
  }
  auto oxfile = LoadOxfile(path, surroundings, std::move(profiles));
  if (oxfile) return std::move(*oxfile);
  Append(errors, std::move(oxfile.error()));
  return std::nullopt;
}

// The spec as it is to be run from now on, with what was stored in the earlier one.
Result<SpecPtr> Renew(Spec spec, const Spec* earlier, Runs runs, const Surroundings& surroundings) {
  if (earlier != nullptr) KeepStoredPath(spec, *earlier);
  const std::string name = spec.name;
  if (Status resolved = ResolveRunAs(spec); !resolved) {
    return std::unexpected(std::move(resolved).error().In("processes." + name));
  }
  Result<Spec> frozen = Freeze(std::move(spec), surroundings.base);
  if (!frozen) return std::unexpected(std::move(frozen).error().In("processes." + name));
  if (earlier != nullptr) KeepFoundAddress(*frozen, *earlier, runs);
  auto renewed = std::make_shared<const Spec>(std::move(*frozen));
  return earlier == nullptr ? renewed : AsScaled(*earlier, std::move(renewed));
}

ProfileWish ProfilesOf(const event::Boot& saved, std::string_view path) {
  ProfileWish profiles;
  for (const event::Boot::Wish& wish : saved.wishes) {
    if (wish.spec->source_file == path && wish.spec->profile) {
      profiles.remembered.emplace(wish.spec->name, *wish.spec->profile);
    }
  }
  return profiles;
}

}  // namespace

RequestId RandomRequestId() { return RequestId(os::RandomNumber()); }

Reread ReadAllAgain(const CommandContext& context) {
  Reread reread;
  std::map<std::string, Known> files;
  if (context.own_oxfile != nullptr) files.emplace(context.own_oxfile->path, Known::kNo);
  for (const Service& service : context.state.services) {
    files.insert_or_assign(service.spec().source_file, Known::kYes);
  }
  for (const auto& [path, known] : files) {
    auto oxfile = Load(path, context.own_oxfile, known, context.surroundings,
                       ProfilesOf(context.state, path), reread.errors);
    if (!oxfile) continue;
    event::Request request;
    request.id = RandomRequestId();
    request.verb = Verb::kApply;
    bool holds = true;
    for (Spec& spec : oxfile->specs) {
      const Service* const service = context.state.Find(spec.name);
      if (service != nullptr && service->spec().source_file != path) {
        reread.errors.push_back(spec.name + " is defined by " + service->spec().source_file +
                                " already, and by " + path);
        holds = false;
        break;
      }
      const bool is_wanted = service != nullptr || spec.policy.autostart;
      Result<SpecPtr> fresh = Renew(std::move(spec), service ? &service->spec() : nullptr,
                                    Runs::kYes, context.surroundings);
      if (!fresh) {
        reread.errors.push_back(path + ": " + fresh.error().message);
        holds = false;
        break;
      }
      if (is_wanted) request.names.push_back((*fresh)->name);
      request.specs.push_back(std::move(*fresh));
    }
    if (!holds) continue;
    reread.settings = oxfile->supervisor;
    if (request.specs.empty()) continue;
    reread.events.push_back(std::move(request));
  }
  return reread;
}

FreshWishes ReadForBoot(event::Boot saved, const Surroundings& surroundings, const OwnOxfile* own) {
  FreshWishes fresh;
  // By file, then by name; what is taken for a wish is taken out.
  std::map<std::string, std::map<std::string, Spec>> files;
  const auto load = [&](const std::string& path, Known known) {
    if (path.empty() || files.contains(path)) return;
    auto& specs = files[path];
    auto oxfile = Load(path, own, known, surroundings, ProfilesOf(saved, path), fresh.errors);
    if (!oxfile) return;
    fresh.settings = oxfile->supervisor;
    for (Spec& spec : oxfile->specs) specs.emplace(spec.name, std::move(spec));
  };
  const auto renew = [&](Spec spec, const Spec* earlier) -> SpecPtr {
    const std::string defined_in = spec.defined_in();
    Result<SpecPtr> renewed = Renew(std::move(spec), earlier, Runs::kNo, surroundings);
    if (renewed) return std::move(*renewed);
    fresh.errors.push_back(defined_in + ": " + renewed.error().message);
    return nullptr;
  };
  for (const event::Boot::Wish& wish : saved.wishes) load(wish.spec->source_file, Known::kYes);
  if (own != nullptr) load(own->path, Known::kNo);
  std::set<std::string> known;
  for (event::Boot::Wish& wish : saved.wishes) {
    known.insert(wish.spec->name);
    auto found = files[wish.spec->source_file].extract(wish.spec->name);
    if (found.empty()) continue;
    SpecPtr renewed = renew(std::move(found.mapped()), wish.spec.get());
    if (renewed == nullptr) continue;
    if (!Differences(*wish.spec, *renewed).empty()) {
      wish.earlier.push_back({wish.generation, wish.spec});
      wish.generation = wish.generation.Next();
    }
    wish.spec = std::move(renewed);
  }
  if (own != nullptr) {
    for (auto& [name, spec] : files[own->path]) {
      if (known.contains(name)) {
        fresh.errors.push_back(name + " is defined by another file already, and by " + own->path);
      } else if (spec.policy.autostart) {
        if (SpecPtr read = renew(std::move(spec), nullptr)) {
          saved.wishes.push_back(
              {.spec = std::move(read), .generation = Generation(1), .wanted = true});
        }
      }
    }
  }
  fresh.boot = std::move(saved);
  return fresh;
}

FreshWishes FreezeAll(event::Boot read, const Surroundings& surroundings) {
  FreshWishes fresh;
  for (event::Boot::Wish& wish : read.wishes) {
    Result<SpecPtr> frozen = Renew(*wish.spec, nullptr, Runs::kNo, surroundings);
    if (frozen) {
      wish.spec = std::move(*frozen);
    } else {
      fresh.errors.push_back(wish.spec->source_file + ": " + frozen.error().message);
    }
  }
  fresh.boot = std::move(read);
  return fresh;
}

}  // namespace oxherd
