// The two occasions on which files are read again without a command: SIGHUP and a boot.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "config/freeze.h"
#include "daemon/command_reader.h"
#include "os/random.h"

namespace oxherd {
namespace {

void Append(RenderedErrors& errors, RenderedErrors more) {
  errors.insert(errors.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
}

// The spec as it is to be run from now on, with what was stored in the earlier one.
Result<SpecPtr> Renew(Spec spec, const Spec* earlier, const Surroundings& surroundings) {
  if (earlier != nullptr) KeepStoredPath(spec, *earlier);
  const std::string name = spec.name;
  Result<Spec> frozen = Freeze(std::move(spec), surroundings.base);
  if (!frozen) return std::unexpected(std::move(frozen).error().In("processes." + name));
  return std::make_shared<const Spec>(std::move(*frozen));
}

}  // namespace

RequestId RandomRequestId() { return RequestId(os::RandomNumber()); }

Reread ReadAllAgain(const CommandContext& context) {
  Reread reread;
  std::set<std::string> files;
  for (const Service& service : context.state.services) files.insert(service.spec().source_file);
  for (const std::string& path : files) {
    auto oxfile = LoadOxfile(path, context.surroundings);
    if (!oxfile) {
      Append(reread.errors, std::move(oxfile.error()));
      continue;
    }
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
      Result<SpecPtr> fresh =
          Renew(std::move(spec), service ? &service->spec() : nullptr, context.surroundings);
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
    reread.events.push_back(std::move(request));
  }
  return reread;
}

FreshWishes ReadForBoot(event::Boot saved, const Surroundings& surroundings) {
  FreshWishes fresh;
  std::map<std::string, std::map<std::string, Spec>> files;
  for (const event::Boot::Wish& wish : saved.wishes) {
    const std::string& path = wish.spec->source_file;
    if (path.empty() || files.contains(path)) continue;
    auto& specs = files[path];
    auto oxfile = LoadOxfile(path, surroundings);
    if (!oxfile) {
      Append(fresh.errors, std::move(oxfile.error()));
      continue;
    }
    fresh.settings = oxfile->supervisor;
    for (Spec& spec : oxfile->specs) specs.emplace(spec.name, std::move(spec));
  }
  for (event::Boot::Wish& wish : saved.wishes) {
    auto& specs = files[wish.spec->source_file];
    const auto found = specs.find(wish.spec->name);
    if (found == specs.end()) continue;
    Result<SpecPtr> renewed = Renew(std::move(found->second), wish.spec.get(), surroundings);
    if (!renewed) {
      fresh.errors.push_back(wish.spec->source_file + ": " + renewed.error().message);
      continue;
    }
    if (!Differences(*wish.spec, **renewed).empty()) wish.generation = wish.generation.Next();
    wish.spec = std::move(*renewed);
  }
  fresh.boot = std::move(saved);
  return fresh;
}

FreshWishes FreezeAll(event::Boot read, const Surroundings& surroundings) {
  FreshWishes fresh;
  for (event::Boot::Wish& wish : read.wishes) {
    Result<SpecPtr> frozen = Renew(*wish.spec, nullptr, surroundings);
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
