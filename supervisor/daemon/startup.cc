#include "daemon/startup.h"

#include <sys/random.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "daemon/commands/command_reader.h"
#include "daemon/store/state_store.h"

namespace oxherd {
namespace {

constexpr Seconds kPatience{10};

std::uint64_t RandomSeed() { return RandomRequestId().number(); }

Result<KeeperReport> Next(KeeperLink& link) {
  OXHERD_TRY_ASSIGN(std::optional<KeeperReport> report, link.Await(kPatience));
  if (!report) return MakeError("the keeper says nothing");
  return std::move(*report);
}

State NewState(const Surroundings& surroundings) {
  State state;
  state.seed = RandomSeed();
  state.settings.proving_parallel =
      static_cast<std::uint16_t>(std::clamp<int>(4 * surroundings.usable_cpus, 4, 4000));
  return state;
}

ProcessKind KindOfHook(const State& state, Token token) {
  for (const Service& service : state.services) {
    const auto hook = std::ranges::find(service.hooks, token, &Hook::token);
    if (hook != service.hooks.end()) return hook->kind;
  }
  return ProcessKind::kPreReload;  // nobody waits for it
}

WorldRecord FactsOf(const keeper::WorldRecord& record, const State& state, Instant now) {
  WorldRecord facts{.token = record.token,
                    .instance = {std::string(record.label.service.text()), record.label.slot},
                    .generation = record.label.generation,
                    .kind = ProcessKind::kInstance,
                    .pid = record.phase == keeper::Phase::kSpawning ? Pid() : record.pid,
                    .spawned_at = record.started_at == kNever ? now : record.started_at,
                    .stop_sent = std::nullopt,
                    .kill_at = record.kill_at,
                    .kill_fired = record.kill_fired_at != kNever,
                    .exit = std::nullopt,
                    .gone = record.phase == keeper::Phase::kGone};
  if (record.label.kind == keeper::ProcessKind::kHook) {
    facts.kind = KindOfHook(state, record.token);
  }
  if (record.listen_number >= 0) facts.socket = static_cast<SocketNumber>(record.listen_number);
  if (record.stop_sent_at != kNever) facts.stop_sent = record.stop_sent_at;
  if (record.phase == keeper::Phase::kExited || record.phase == keeper::Phase::kGone) {
    facts.exit = record.exit.status;
  }
  return facts;
}

bool IsWanted(const Arguments& arguments, const std::string& service) {
  return arguments.only.empty() ||
         std::ranges::find(arguments.only, service) != arguments.only.end();
}

// `oxherd run`: exactly these files, everything in them (or what --only names) wanted.
void PopulateForRun(StartState& start, const Arguments& arguments,
                    const Surroundings& surroundings) {
  event::Boot boot;
  for (const std::string& path : arguments.run_files) {
    auto oxfile = LoadOxfile(path, surroundings, {.asked = arguments.profile});
    if (!oxfile) {
      start.errors.insert(start.errors.end(), oxfile.error().begin(), oxfile.error().end());
      continue;
    }
    start.settings = oxfile->supervisor;
    for (Spec& spec : oxfile->specs) {
      if (!IsWanted(arguments, spec.name)) continue;
      boot.wishes.push_back({.spec = std::make_shared<const Spec>(std::move(spec)),
                             .generation = Generation(1),
                             .wanted = true});
    }
  }
  FreshWishes fresh = FreezeAll(std::move(boot), surroundings);
  start.errors.insert(start.errors.end(), fresh.errors.begin(), fresh.errors.end());
  if (start.errors.empty()) Populate(start.state, fresh.boot);
}

// What the files say of the supervisor, for a daemon that goes on from the image. What does not
// hold is left out: nobody has asked to read it now.
std::optional<SupervisorSettings> SettingsAgain(const State& state,
                                                const Surroundings& surroundings) {
  std::optional<SupervisorSettings> settings;
  std::set<std::string> seen;
  for (const Service& service : state.services) {
    const std::string& path = service.spec().source_file;
    if (path.empty() || !seen.insert(path).second) continue;
    auto oxfile = LoadOxfile(path, surroundings, ProfilesOf(state, path));
    if (!oxfile) continue;
    const SupervisorSettings& said = oxfile->supervisor;
    if (!settings) settings = said;
    // One file may say the one thing, another the other.
    if (said.control_group) settings->control_group = said.control_group;
    if (said.http) {
      settings->http = said.http;
      settings->http_token = said.http_token;
    }
    if (said.on_event_cmd) {
      settings->on_event_cmd = said.on_event_cmd;
      settings->on_events = said.on_events;
      settings->file = said.file;
    }
  }
  return settings;
}

}  // namespace

Result<KeeperWorld> AskKeeper(KeeperLink& link) {
  KeeperWorld world;
  OXHERD_TRY_ASSIGN(const KeeperReport first, Next(link));
  const auto* hello = std::get_if<keeper::Hello>(&first.report);
  if (hello == nullptr) return MakeError("the keeper did not say hello");
  world.hello = *hello;
  if (hello->version != keeper::kProtocolVersion) {
    return MakeError("the keeper speaks version " + std::to_string(hello->version) +
                     " of the protocol, this daemon version " +
                     std::to_string(keeper::kProtocolVersion));
  }
  link.Send(keeper::World{});
  for (;;) {
    OXHERD_TRY_ASSIGN(KeeperReport report, Next(link));
    if (const auto* end = std::get_if<keeper::WorldEnd>(&report.report)) {
      world.highest = end->highest;
      return world;
    }
    const bool is_record = std::holds_alternative<keeper::WorldRecord>(report.report) ||
                           std::holds_alternative<keeper::WorldHeld>(report.report);
    (is_record ? world.records : world.news).push_back(std::move(report));
  }
}

StartState FindState(const Arguments& arguments, const Surroundings& surroundings,
                     const KeeperWorld& world, Image* image) {
  StartState start;
  if (image != nullptr) {
    Result<std::optional<State>> saved = image->Load();
    if (saved && !world.hello.use_image) {
      start.mistrusted = std::move(*saved);
    } else if (saved && *saved) {
      start.state = std::move(**saved);
      start.origin = Origin::kImage;
      start.settings = SettingsAgain(start.state, surroundings);
      return start;
    }
    if (!saved) start.warnings.push_back(saved.error().message + "; going on without it");
  }
  start.state = NewState(surroundings);
  if (arguments.is_foreground()) {
    start.origin = Origin::kRun;
    PopulateForRun(start, arguments, surroundings);
    return start;
  }
  StateStore::Loaded loaded = StateStore::Load(arguments.state_folder);
  start.warnings.insert(start.warnings.end(), loaded.warnings.begin(), loaded.warnings.end());
  const bool something_runs = world.highest.is_set();
  if (something_runs) {
    start.origin = Origin::kWorld;
    Populate(start.state, loaded.wishes);
    return start;
  }
  FreshWishes fresh = ReadForBoot(std::move(loaded.wishes), surroundings,
                                  arguments.own_oxfile ? &*arguments.own_oxfile : nullptr);
  start.errors = std::move(fresh.errors);
  start.settings = fresh.settings;
  Populate(start.state, fresh.boot);
  return start;
}

World WorldFor(const StartState& start, const KeeperWorld& world, Instant now) {
  World facts;
  for (const KeeperReport& report : world.records) {
    const auto* record = std::get_if<keeper::WorldRecord>(&report.report);
    if (record == nullptr || record->label.kind == keeper::ProcessKind::kCheck) continue;
    facts.push_back(FactsOf(*record, start.state, now));
    facts.back().unseen = start.origin != Origin::kImage;
  }
  return facts;
}

}  // namespace oxherd
