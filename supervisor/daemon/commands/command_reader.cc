#include "daemon/commands/command_reader.h"

#include <algorithm>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "config/freeze.h"
#include "control/target.h"
#include "core/auto_listen.h"
#include "daemon/commands/name_pattern.h"
#include "daemon/commands/rollback.h"
#include "daemon/commands/verb_of.h"
#include "daemon/launch/run_as.h"

namespace oxherd {
namespace {

using Asked = control::Command;
using control::ExitCode;
using control::Reply;
using control::Target;
using Names = std::vector<std::string>;

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string Joined(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

bool Contains(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

void AddOnce(Names& names, const std::string& name) {
  if (!Contains(names, name)) names.push_back(name);
}

std::string_view PathIn(std::span<const EnvEntry> environment) {
  const auto found = std::ranges::find(environment, "PATH", &EnvEntry::first);
  return found == environment.end() ? std::string_view() : std::string_view(found->second);
}

const std::string& SourceOf(const Service& service) { return service.spec().source_file; }

// Reads one command. Each step that can fail leaves a reply and says false.
class Reader {
 public:
  Reader(const control::Request& request, const CommandContext& context)
      : request_(request), context_(context), state_(context.state), names_(request.names) {
    refusal_.command = request.command;
  }

  std::expected<Understood, Reply> Read() {
    understood_.event = {.id = request_.id,
                         .verb = VerbOf(request_.command),
                         .names = {},
                         .specs = {},
                         .parallel = std::max<std::uint16_t>(request_.parallel, 1),
                         .forced = request_.forced,
                         .keep_instances = request_.keep_instances,
                         .until = request_.until,
                         .timeout = request_.timeout,
                         .count = request_.count,
                         .relative = request_.relative};
    const bool ok = request_.command == Asked::kDaemonStop || (ReadPatterns() && ReadNames());
    if (!ok) return std::unexpected(std::move(refusal_));
    return std::move(understood_);
  }

 private:
  using File = std::optional<Oxfile>;

  bool Refuse(std::string error, ExitCode code = ExitCode::kAskedWrongly) {
    refusal_.code = code;
    refusal_.error = std::move(error);
    return false;
  }
  // Everything is as it was asked for; the reply says what there was to find.
  bool NothingToDo(std::string note) {
    refusal_.code = ExitCode::kDone;
    refusal_.notes.push_back(std::move(note));
    return false;
  }

  // Every /regex/ and @namespace becomes the services that it means.
  bool ReadPatterns() {
    const bool reads = control::ReadsOxfile(request_.command);
    Names expanded;
    for (const std::string& typed : names_) {
      if (!IsForSeveral(typed)) {
        AddOnce(expanded, typed);
        continue;
      }
      std::vector<KnownName> known;
      known.reserve(state_.services.size());
      for (const Service& service : state_.services) {
        known.push_back({service.name, service.spec().name_space});
      }
      for (const std::string& path : reads ? FilesHere() : Names{}) {
        const Oxfile* const file = Load(path);
        if (file == nullptr) return false;
        for (const Spec& spec : file->specs) known.push_back({spec.name, spec.name_space});
      }
      auto meant = NamesMeant(typed, known);
      if (!meant) return Refuse(std::move(meant).error().message);
      for (const std::string& name : *meant) AddOnce(expanded, name);
    }
    names_ = std::move(expanded);
    return true;
  }

  bool ReadNames() {
    const bool all = Contains(names_, "all");
    const bool reads = control::ReadsOxfile(request_.command);
    const bool wants_name =
        request_.command == Asked::kDelete || request_.command == Asked::kReset ||
        request_.command == Asked::kScale || request_.command == Asked::kRollback;
    if (names_.empty() && wants_name) {
      return Refuse(std::string(control::Name(request_.command)) + " wants a name" +
                    (request_.command == Asked::kRollback ? "" : ", or all"));
    }
    if (request_.command == Asked::kRollback) return TakeRollbacks();
    if (IsForInstances()) return TakeInstances();
    if (all || names_.empty()) {
      Names files;
      if (!(all ? FilesOfAll(files) : TargetFile(files))) return false;
      return reads ? TakeFiles(files) : TakeServicesOf(files);
    }
    return reads ? TakeNamesFromFiles() : TakeKnownNames();
  }

  // ---- Which files. ----

  // Those that were named, or found where it was typed.
  [[nodiscard]] Names FilesHere() const {
    Names files;
    if (!request_.oxfile.empty()) files.push_back(request_.oxfile);
    for (const std::string& path : request_.more_oxfiles) AddOnce(files, path);
    return files;
  }

  [[nodiscard]] Names KnownFiles() const {
    Names files;
    for (const Service& service : state_.services) AddOnce(files, SourceOf(service));
    return files;
  }

  bool FilesOfAll(Names& files) {
    files = KnownFiles();
    if (files.empty()) files = FilesHere();
    return !files.empty() || NothingToDo("there are no services");
  }

  bool TargetFile(Names& files) {
    files = FilesHere();
    if (!files.empty()) return true;
    files = KnownFiles();
    if (files.size() == 1) return true;
    if (files.empty()) {
      return Refuse("no Oxfile.toml in " + Quoted(request_.folder) +
                    ", and no service is known; name a file with -c");
    }
    return Refuse("no Oxfile.toml in " + Quoted(request_.folder) +
                  ", and services come from several: " + Joined(files) + "; name one with -c");
  }

  // ---- Verbs that read no file. ----

  bool TakeServicesOf(const Names& files) {
    for (const Service& service : state_.services) {
      if (Contains(files, SourceOf(service))) AddName(service.name);
    }
    if (!understood_.event.names.empty()) return true;
    return NothingToDo("no service of " + files.front() + " is known");
  }

  bool TakeKnownNames() {
    for (const std::string& typed : names_) {
      Typed meant;
      if (!Resolve(typed, Names{}, meant)) return false;
      if (state_.Find(meant.service) == nullptr) return RefuseUnknown(typed, Names{});
      AddName(meant.name);
    }
    if (request_.with_dependents) AddDependents();
    return true;
  }

  // ---- rollback: a spec that was kept takes the place of the file's. ----

  bool TakeRollbacks() {
    for (const std::string& typed : names_) {
      Typed meant;
      if (!Resolve(typed, Names{}, meant)) return false;
      const Service* const service = state_.Find(meant.service);
      if (service == nullptr) return RefuseUnknown(typed, Names{});
      auto chosen = ChooseEarlier(*service, request_.to);
      if (!chosen) return Refuse(std::move(chosen).error().message);
      understood_.service_notes[service->name].push_back(chosen->note);
      understood_.event.specs.push_back(std::move(chosen->spec));
      AddName(service->name);
    }
    return true;
  }

  [[nodiscard]] bool IsForInstances() const {
    return request_.command == Asked::kDrain || request_.command == Asked::kResume ||
           request_.command == Asked::kReplace;
  }

  bool TakeInstances() {
    for (const std::string& typed : names_) {
      Typed meant;
      if (!Resolve(typed, Names{}, meant)) return false;
      if (meant.name == meant.service) {
        return Refuse("which instance of " + meant.service + "? oxherd instance " + meant.service +
                      " 0 …");
      }
      AddName(meant.name);
    }
    return !understood_.event.names.empty() || Refuse("no instance was named");
  }

  void AddName(const std::string& name) { AddOnce(understood_.event.names, name); }

  void AddDependents() {
    Names& names = understood_.event.names;
    for (std::size_t i = 0; i < names.size(); ++i) {
      for (const Service& service : state_.services) {
        const auto& depends_on = service.spec().policy.depends_on;
        if (std::ranges::find(depends_on, names[i], &Dependency::service) != depends_on.end()) {
          AddOnce(names, service.name);
        }
      }
    }
  }

  // ---- Verbs that read files. ----

  // Null after a refusal.
  const Oxfile* Load(const std::string& path) {
    File& file = files_[path];
    if (file) return &*file;
    ProfileWish profiles = ProfilesOf(state_, path);
    profiles.asked = request_.profile;
    auto loaded = LoadOxfile(path, context_.surroundings, std::move(profiles));
    if (!loaded) {
      refusal_.errors = std::move(loaded.error());
      Refuse(path + " is not valid; nothing was changed");
      return nullptr;
    }
    understood_.oxfiles.push_back(path);
    understood_.settings = loaded->supervisor;
    for (const ConfigError& note : loaded->notes) understood_.notes.push_back(note.Line());
    file = std::move(*loaded);
    return &*file;
  }

  bool TakeFiles(const Names& paths) {
    for (const std::string& path : paths) {
      const Oxfile* const file = Load(path);
      if (file == nullptr) return false;
      for (const Spec& spec : file->specs) {
        const bool is_new = state_.Find(spec.name) == nullptr;
        if (is_new && !spec.policy.autostart && request_.command == Asked::kRestart) continue;
        if (!TakeSpec(spec, path)) return false;
      }
      NoteThoseThatLeft(*file, path);
    }
    // No names: the core takes it as "all that the files define".
    if (!understood_.event.specs.empty()) return true;
    return NothingToDo(Joined(paths) + " defines no service");
  }

  void NoteThoseThatLeft(const Oxfile& file, const std::string& path) {
    for (const Service& service : state_.services) {
      if (SourceOf(service) != path || service.deleting) continue;
      if (std::ranges::find(file.specs, service.name, &Spec::name) != file.specs.end()) continue;
      understood_.left_file.push_back(service.name);
      understood_.notes.push_back(service.name + " is no longer in " + path +
                                  " and is left as it is: oxherd delete " + service.name);
    }
  }

  bool TakeNamesFromFiles() {
    Here here;  // what the file of this folder defines can be named too
    std::map<std::string, Names> by_file;
    for (const std::string& typed : names_) {
      if (!TakeTyped(typed, here, by_file)) return false;
    }
    for (const auto& [path, names] : by_file) {
      const Oxfile* const file = Load(path);
      if (file == nullptr || !TakeNamed(*file, path, names)) return false;
    }
    return true;
  }

  struct Here {
    Names names;
    std::map<std::string, std::string> files;  // by name
  };

  bool LoadHere(Here& here) {
    for (const std::string& path : FilesHere()) {
      const Oxfile* const file = Load(path);
      if (file == nullptr) return false;
      for (const Spec& spec : file->specs) {
        const auto [other, is_first] = here.files.emplace(spec.name, path);
        if (!is_first) return RefuseTwoFiles(spec.name, other->second, path);
        here.names.push_back(spec.name);
      }
    }
    return true;
  }

  bool TakeTyped(const std::string& typed, Here& here, std::map<std::string, Names>& by_file) {
    // What is broken in the file here does not concern a service of another one, but a start of
    // what both define would be a start of the wrong one.
    const std::optional<Target> quick = Parse(typed, {});
    const bool is_known =
        quick && (quick->kind == Target::Kind::kId || state_.Find(quick->service) != nullptr);
    const bool look_here = !is_known || request_.command == Asked::kStart || request_.oxfile_named;
    if (look_here && here.names.empty() && !LoadHere(here)) return false;
    Typed meant;
    if (!Resolve(typed, here.names, meant)) return false;
    const Service* const service = state_.Find(meant.service);
    const auto found = here.files.find(meant.service);
    const bool is_here = found != here.files.end();
    if (service == nullptr && !is_here) return RefuseUnknown(typed, here.names);
    if (service != nullptr && is_here && SourceOf(*service) != found->second) {
      return RefuseTwoFiles(meant.service, SourceOf(*service), found->second);
    }
    AddOnce(by_file[service != nullptr ? SourceOf(*service) : found->second], meant.service);
    AddName(meant.name);
    return true;
  }

  bool TakeNamed(const Oxfile& file, const std::string& path, const Names& names) {
    const auto gone = std::ranges::find_if(names, [&](const std::string& name) {
      return std::ranges::find(file.specs, name, &Spec::name) == file.specs.end();
    });
    if (gone != names.end()) {
      return Refuse(*gone + " is no longer in " + path +
                    "; it is left as it is: put it back, or oxherd delete " + *gone);
    }
    const bool widens = request_.command == Asked::kStart && !request_.only;
    for (const Spec* const spec : WithDependencies(file.specs, names)) {
      if (!widens && !Contains(names, spec->name)) continue;
      if (!TakeSpec(*spec, path)) return false;
    }
    return true;
  }

  bool TakeSpec(const Spec& spec, const std::string& path) {
    const Service* const service = state_.Find(spec.name);
    if (service != nullptr && SourceOf(*service) != path) {
      return RefuseTwoFiles(spec.name, SourceOf(*service), path);
    }
    // Two of the files that were named.
    const auto before = std::ranges::find_if(
        understood_.event.specs, [&](const SpecPtr& other) { return other->name == spec.name; });
    if (before != understood_.event.specs.end()) {
      return RefuseTwoFiles(spec.name, (*before)->source_file, path);
    }
    Spec own = spec;
    const std::string_view path_now = PathIn(request_.environment);
    const bool kept =
        service != nullptr && !request_.update_env && KeepStoredPath(own, service->spec());
    if (!kept && !path_now.empty()) StorePath(own, path_now);
    Status resolved = ResolveRunAs(own);
    Result<Spec> frozen = resolved ? Freeze(std::move(own), context_.surroundings.base)
                                   : std::unexpected(std::move(resolved).error());
    if (!frozen) {
      return Refuse(spec.defined_in() + ":" + std::to_string(spec.source_line) + ": processes." +
                    spec.name + ": " + frozen.error().message);
    }
    if (service != nullptr) {
      KeepFoundAddress(*frozen, service->spec(), service->is_down() ? Runs::kNo : Runs::kYes);
      NoteDifferences(*service, *frozen);
    }
    understood_.event.specs.push_back(std::make_shared<const Spec>(std::move(*frozen)));
    return true;
  }

  // `start` leaves alone what runs, and says by what it differs.
  void NoteDifferences(const Service& service, const Spec& fresh) {
    if (request_.command != Asked::kStart || service.wish != Wish::kRunning) return;
    const Names keys = Differences(service.spec(), fresh);
    if (keys.empty()) return;
    understood_.service_notes[service.name].push_back(
        service.name + (service.is_down() ? " does not run; " : " runs; ") + Joined(keys) +
        (keys.size() == 1 ? " differs" : " differ") + " from " + fresh.source_file +
        ": oxherd reload " + service.name +
        (request_.profile ? " --env " + (request_.profile->empty() ? "''" : *request_.profile)
                          : ""));
  }

  // ---- Names. ----

  [[nodiscard]] std::optional<Target> Parse(const std::string& typed, const Names& also) const {
    return control::ParseTarget(typed, [&](std::string_view name) {
      return state_.Find(name) != nullptr || Contains(also, name);
    });
  }

  // What a typed name means: a service, or one instance of it.
  struct Typed {
    std::string service;
    std::string name;  // for the core: "api" or "api/0"
  };

  bool Resolve(const std::string& typed, const Names& also, Typed& meant) {
    const std::optional<Target> target = Parse(typed, also);
    if (!target) return RefuseUnknown(typed, also);
    switch (target->kind) {
      case Target::Kind::kService:
        meant = {target->service, target->service};
        return true;
      case Target::Kind::kInstance:
        return ResolveInstance({target->service, target->slot}, meant);
      case Target::Kind::kId:
        if (const auto row = context_.find_row(target->id)) return ResolveInstance(*row, meant);
        return Refuse("no row " + typed + " in the list");
      case Target::Kind::kAll:
        break;
    }
    return RefuseUnknown(typed, also);
  }

  // The only instance of a service stands for the service.
  bool ResolveInstance(const InstanceId& instance, Typed& meant) {
    const Service* const service = state_.Find(instance.service);
    const std::size_t count = service == nullptr ? 0 : service->slots.size();
    if (instance.slot >= count) {
      return Refuse("no instance " + Quoted(instance.Text()) + "; " + instance.service + " has " +
                    std::to_string(count));
    }
    meant = {instance.service, instance.Text()};
    if (count == 1 && !IsForInstances()) meant.name = instance.service;
    const bool whole_only =
        request_.command == Asked::kReload || request_.command == Asked::kApply ||
        request_.command == Asked::kDelete || request_.command == Asked::kRollback ||
        request_.command == Asked::kScale;
    if (count == 1 || !whole_only) return true;
    const std::string command(control::Name(request_.command));
    return Refuse(Quoted(instance.Text()) + " is one instance, and " + command +
                  " works on a whole service: oxherd " + command + " " + instance.service);
  }

  bool RefuseUnknown(const std::string& typed, const Names& also) {
    std::vector<std::string_view> candidates(also.begin(), also.end());
    for (const Service& service : state_.services) candidates.push_back(service.name);
    return Refuse(ExplainUnknownName(typed, candidates));
  }

  bool RefuseTwoFiles(const std::string& name, const std::string& first,
                      const std::string& second) {
    return Refuse(name + " is defined by " + first + " already, and by " + second +
                  "; rename one of them, or oxherd delete " + name + " first");
  }

  const control::Request& request_;
  const CommandContext& context_;
  const State& state_;
  Names names_;  // as typed, but for patterns
  Understood understood_;
  Reply refusal_;
  std::map<std::string, File> files_;
};

}  // namespace

std::expected<Understood, Reply> ReadCommand(const control::Request& request,
                                             const CommandContext& context) {
  return Reader(request, context).Read();
}

}  // namespace oxherd
