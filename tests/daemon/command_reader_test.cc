#include "daemon/commands/command_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/supervisor.h"
#include "os/clock.h"
#include "tests/daemon/sample_state.h"
#include "tests/temporary.h"

namespace oxherd {
namespace {

namespace fs = std::filesystem;
using Asked = control::Command;
using control::ExitCode;
using Names = std::vector<std::string>;

// Two folders with an Oxfile each, and a state that has started the first one.
class Place {
 public:
  Place() {
    std::string name = "/tmp/oxherd-commands-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    root_ = name;
    fs::create_directories(root_ + "/shop");
    fs::create_directories(root_ + "/blog");
    fs::create_directories(root_ + "/own");
    Write("shop", kShop);
    Write("blog", "[processes.blog]\ncommand = \"/bin/true\"\n");
    Start(File("shop"));
  }
  ~Place() { fs::remove_all(root_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  static constexpr const char* kShop =
      "[processes.migrate]\ntype = \"oneshot\"\ncommand = \"/bin/true\"\n"
      "[processes.api]\ncommand = \"/bin/sleep 100\"\ninstances = 2\ndepends_on = [\"migrate\"]\n"
      "[processes.worker]\ncommand = \"/bin/sleep 100\"\ndepends_on = [\"api\"]\n"
      "[processes.rare]\ncommand = \"/bin/sleep 100\"\nautostart = false\n";

  [[nodiscard]] std::string File(const std::string& folder) const {
    return root_ + "/" + folder + "/Oxfile.toml";
  }
  void Write(const std::string& folder, const std::string& text) const {
    std::ofstream(File(folder)) << text;
  }

  [[nodiscard]] control::Request Ask(Asked command, const Names& names,
                                     const std::string& oxfile = "") const {
    control::Request request;
    request.id = RandomRequestId();
    request.command = command;
    request.names = names;
    request.oxfile = oxfile;
    request.folder = root_;
    request.environment = {{"PATH", "/usr/bin:/bin"}};
    return request;
  }
  [[nodiscard]] std::expected<Understood, control::Reply> Read(
      const control::Request& request) const {
    return ReadCommand(request, Context());
  }
  [[nodiscard]] Understood MustRead(const control::Request& request) const {
    auto understood = Read(request);
    if (!understood) FAIL(understood.error().error);
    return std::move(*understood);
  }
  [[nodiscard]] control::Reply MustRefuse(const control::Request& request) const {
    auto understood = Read(request);
    REQUIRE_FALSE(understood);
    return std::move(understood.error());
  }
  [[nodiscard]] CommandContext Context() const {
    return {.state = state,
            .surroundings = surroundings,
            .find_row = [](std::uint32_t id) -> std::optional<InstanceId> {
              if (id == 1) return InstanceId{"api", 1};
              return std::nullopt;
            }};
  }

  State state;
  Surroundings surroundings{.base = {{"PATH", "/bin"}}, .home_folder = "/", .usable_cpus = 2};

 private:
  void Start(const std::string& file) {
    Actions actions;
    Apply(state, MustRead(Ask(Asked::kStart, {}, file)).event, os::Now(), actions);
    REQUIRE(state.services.size() == 3);
  }
  std::string root_;
};

Names SpecNames(const Understood& understood) {
  Names names;
  for (const SpecPtr& spec : understood.event.specs) names.push_back(spec->name);
  return names;
}

bool Says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("start without a name means what the file here defines") {
  const Place place;
  const Understood understood = place.MustRead(place.Ask(Asked::kStart, {}, place.File("blog")));
  CHECK(understood.event.verb == Verb::kStart);
  CHECK(understood.event.names.empty());
  CHECK(SpecNames(understood) == Names{"blog"});
  CHECK(understood.oxfiles == Names{place.File("blog")});
}

TEST_CASE("without a file here the one that is known is meant, and of several none") {
  Place place;
  CHECK(place.MustRead(place.Ask(Asked::kReload, {})).oxfiles == Names{place.File("shop")});
  CHECK(place.MustRead(place.Ask(Asked::kStop, {})).event.names ==
        Names{"migrate", "api", "worker"});
  Service other = SampleService("other");
  place.state.services.push_back(other);
  const control::Reply reply = place.MustRefuse(place.Ask(Asked::kStop, {}));
  CHECK(reply.code == ExitCode::kAskedWrongly);
  CHECK(Says(reply.error, place.File("shop")));
  CHECK(Says(reply.error, "/srv/Oxfile.toml"));
  CHECK(Says(reply.error, "-c"));
}

TEST_CASE("a name is read from the file it came from, wherever it is typed") {
  const Place place;
  const Understood understood =
      place.MustRead(place.Ask(Asked::kReload, {"api"}, place.File("blog")));
  CHECK(understood.oxfiles == Names{place.File("shop")});
  CHECK(understood.event.names == Names{"api"});
  CHECK(SpecNames(understood) == Names{"api"});
}

TEST_CASE("start of a name brings the definitions of what it depends on; other verbs do not") {
  const Place place;
  const Understood start = place.MustRead(place.Ask(Asked::kStart, {"worker"}));
  CHECK(start.event.names == Names{"worker"});
  CHECK(SpecNames(start) == Names{"migrate", "api", "worker"});
  CHECK(SpecNames(place.MustRead(place.Ask(Asked::kRestart, {"worker"}))) == Names{"worker"});
}

TEST_CASE("one instance can be named, by its number in the list too, where that makes sense") {
  const Place place;
  for (const char* const name : {"api/1", "api:1", "api-1", "1"}) {
    CAPTURE(name);
    CHECK(place.MustRead(place.Ask(Asked::kRestart, {name})).event.names == Names{"api/1"});
    CHECK(place.MustRead(place.Ask(Asked::kStop, {name})).event.names == Names{"api/1"});
  }
  CHECK(place.MustRead(place.Ask(Asked::kStop, {"worker/0"})).event.names == Names{"worker"});
  CHECK(Says(place.MustRefuse(place.Ask(Asked::kReload, {"api/1"})).error, "oxherd reload api"));
  CHECK(Says(place.MustRefuse(place.Ask(Asked::kStop, {"api/2"})).error, "api has 2"));
  CHECK(Says(place.MustRefuse(place.Ask(Asked::kStop, {"9"})).error, "no row 9"));
}

TEST_CASE("a name that nobody knows is refused with the nearest one, and nothing is touched") {
  const Place place;
  const control::Reply reply = place.MustRefuse(place.Ask(Asked::kStop, {"worker", "ap1"}));
  CHECK(reply.code == ExitCode::kAskedWrongly);
  CHECK(reply.error == "no service \"ap1\"; did you mean \"api\"?");
  CHECK(Says(place.MustRefuse(place.Ask(Asked::kStart, {"blgo"}, place.File("blog"))).error,
             "did you mean \"blog\"?"));
}

TEST_CASE("a service that two files define is an error that names both") {
  const Place place;
  place.Write("blog", "[processes.api]\ncommand = \"/bin/true\"\n");
  for (const Names& names : {Names{}, Names{"api"}}) {
    const control::Reply reply =
        place.MustRefuse(place.Ask(Asked::kStart, names, place.File("blog")));
    CHECK(reply.code == ExitCode::kAskedWrongly);
    CHECK(Says(reply.error, place.File("shop")));
    CHECK(Says(reply.error, place.File("blog")));
  }
}

TEST_CASE("an invalid file is refused with all its errors; stop does not even look at it") {
  const Place place;
  place.Write("shop", "[processes.api]\ncomand = \"x\"\nstop_timeout_ms = \"10 sec\"\n");
  const control::Reply reply = place.MustRefuse(place.Ask(Asked::kReload, {"api"}));
  CHECK(reply.code == ExitCode::kAskedWrongly);
  CHECK(reply.errors.size() >= 2);
  CHECK(Says(reply.error, "nothing was changed"));
  CHECK(place.MustRead(place.Ask(Asked::kStop, {"api"})).event.names == Names{"api"});
}

TEST_CASE("what left the file is named and left alone, and cannot be reloaded") {
  const Place place;
  place.Write("shop", "[processes.api]\ncommand = \"/bin/sleep 100\"\n");
  const Understood apply = place.MustRead(place.Ask(Asked::kApply, {}, place.File("shop")));
  CHECK(SpecNames(apply) == Names{"api"});
  CHECK(apply.left_file == Names{"migrate", "worker"});
  CHECK(Says(place.MustRefuse(place.Ask(Asked::kReload, {"worker"})).error, "no longer in"));
}

TEST_CASE("stop says who depends on it only when asked to take them along") {
  const Place place;
  control::Request request = place.Ask(Asked::kStop, {"migrate"});
  CHECK(place.MustRead(request).event.names == Names{"migrate"});
  request.with_dependents = true;
  CHECK(place.MustRead(request).event.names == Names{"migrate", "api", "worker"});
}

TEST_CASE("start of what runs says by which keys its definition differs, never by which values") {
  const Place place;
  std::string text = Place::kShop;
  text.replace(text.find("instances = 2"), 13, "instances = 3\nenv = { SECRET = \"hunter2\" }");
  place.Write("shop", text);
  const Understood understood = place.MustRead(place.Ask(Asked::kStart, {"api"}));
  REQUIRE(understood.service_notes.contains("api"));
  const std::string& note = understood.service_notes.at("api").front();
  CHECK(Says(note, "env.SECRET, instances differ"));
  CHECK(Says(note, "oxherd reload api"));
  CHECK_FALSE(Says(note, "hunter2"));
}

TEST_CASE("the PATH of the first start stays until it is asked for anew") {
  const Place place;
  control::Request request = place.Ask(Asked::kReload, {"api"});
  request.environment = {{"PATH", "/elsewhere"}};
  const auto path_of = [](const Understood& understood) {
    const auto& env = understood.event.specs.front()->env;
    return std::ranges::find(env, "PATH", &EnvEntry::first)->second;
  };
  CHECK(path_of(place.MustRead(request)) == "/usr/bin:/bin");
  request.update_env = true;
  CHECK(path_of(place.MustRead(request)) == "/elsewhere");
}

TEST_CASE("delete wants a name") {
  const Place place;
  CHECK(place.MustRefuse(place.Ask(Asked::kDelete, {})).code == ExitCode::kAskedWrongly);
  CHECK(place.MustRead(place.Ask(Asked::kDelete, {"all"})).event.names.size() == 3);
}

TEST_CASE("SIGHUP applies every file that holds and leaves the others as they are") {
  Place place;
  Actions actions;
  Apply(place.state, place.MustRead(place.Ask(Asked::kStart, {}, place.File("blog"))).event,
        os::Now(), actions);
  place.Write("shop", "nonsense");
  const Reread reread = ReadAllAgain(place.Context());
  REQUIRE(reread.events.size() == 1);
  CHECK(reread.events[0].verb == Verb::kApply);
  CHECK(reread.events[0].specs.front()->name == "blog");
  CHECK_FALSE(reread.errors.empty());
}

TEST_CASE("a boot takes specs from their files; one that does not hold leaves what was saved") {
  const Place place;
  event::Boot saved;
  for (const Service& service : place.state.services) {
    saved.wishes.push_back({service.specs.back().spec, service.generation, true});
  }
  FreshWishes same = ReadForBoot(saved, place.surroundings);
  CHECK(same.errors.empty());
  CHECK(same.boot.wishes[1].generation == saved.wishes[1].generation);
  std::string text = Place::kShop;
  text.replace(text.find("instances = 2"), 13, "instances = 3");
  place.Write("shop", text);
  FreshWishes changed = ReadForBoot(saved, place.surroundings);
  CHECK(changed.boot.wishes[1].spec->policy.instances == 3);
  CHECK(changed.boot.wishes[1].generation == saved.wishes[1].generation.Next());
  place.Write("shop", "nonsense");
  FreshWishes broken = ReadForBoot(saved, place.surroundings);
  CHECK_FALSE(broken.errors.empty());
  CHECK(*broken.boot.wishes[1].spec == *saved.wishes[1].spec);
}

TEST_CASE("a boot starts what the daemon's own file defines and nobody has known yet") {
  const Place place;
  event::Boot saved;
  for (const Service& service : place.state.services) {
    saved.wishes.push_back({service.specs.back().spec, service.generation, false});
  }
  const OwnOxfile own{.path = place.File("own")};
  CHECK(ReadForBoot(saved, place.surroundings, &own).errors.empty());  // there is none
  place.Write("own",
              "[processes.fresh]\ncommand = \"true\"\n"
              "[processes.later]\ncommand = \"true\"\nautostart = false\n");
  const FreshWishes fresh = ReadForBoot(saved, place.surroundings, &own);
  CHECK(fresh.errors.empty());
  REQUIRE(fresh.boot.wishes.size() == saved.wishes.size() + 1);
  CHECK(fresh.boot.wishes.back().spec->name == "fresh");
  CHECK(fresh.boot.wishes.back().wanted);
  // Known from then on: what a person has stopped stays so.
  event::Boot stopped = fresh.boot;
  stopped.wishes.back().wanted = false;
  CHECK_FALSE(ReadForBoot(stopped, place.surroundings, &own).boot.wishes.back().wanted);

  place.Write("own", "[processes.api]\ncommand = \"true\"\n");
  const FreshWishes twice = ReadForBoot(saved, place.surroundings, &own);
  CHECK(twice.boot.wishes.size() == saved.wishes.size());
  CHECK(twice.errors ==
        std::vector<std::string>{"api is defined by another file already, and by " + own.path});
}

TEST_CASE("SIGHUP reads the daemon's own file though nothing of it runs yet") {
  const Place place;
  const OwnOxfile own{.path = place.File("own")};
  CommandContext context = place.Context();
  context.own_oxfile = &own;
  CHECK(ReadAllAgain(context).errors.empty());  // there is none
  place.Write("own", "[processes.fresh]\ncommand = \"true\"\n");
  const Reread reread = ReadAllAgain(context);
  CHECK(reread.errors.empty());
  REQUIRE(reread.events.size() == 2);
  CHECK(std::ranges::count(reread.events, std::vector<std::string>{"fresh"},
                           &event::Request::names) == 1);
  place.Write("own", "include = [\"none.d/*.toml\"]\n");
  CHECK(ReadAllAgain(context).events.size() == 1);
}

TEST_CASE("root's own file must not be one that others may change, unless somebody has named it") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root is so careful");
    return;
  }
  const Place place;
  place.Write("own", "[processes.fresh]\ncommand = \"true\"\n");
  OwnOxfile own{.path = place.File("own")};
  REQUIRE(::chmod(own.path.c_str(), 0666) == 0);
  const FreshWishes refused = ReadForBoot({}, place.surroundings, &own);
  CHECK(refused.boot.wishes.empty());
  REQUIRE(refused.errors.size() == 1);
  CHECK(refused.errors[0].ends_with("can be written by others: root does not read it"));
  own.is_named = true;
  CHECK(ReadForBoot({}, place.surroundings, &own).boot.wishes.size() == 1);
}

TEST_CASE("what only looks may name instances, rows and services, and nothing that is not there") {
  const Place place;
  const auto select = [&](const Names& names) {
    return ReadSelection(place.Ask(Asked::kList, names), place.Context());
  };
  CHECK(select({})->size() == 4);
  CHECK(select({"all"})->size() == 4);
  CHECK(*select({"api"}) == std::vector<InstanceId>{{"api", 0}, {"api", 1}});
  CHECK(*select({"1", "worker/0"}) == std::vector<InstanceId>{{"api", 1}, {"worker", 0}});
  CHECK(select({"apy"}).error().code == ExitCode::kAskedWrongly);
}

TEST_CASE("a pattern means every service whose name it matches") {
  const Place place;
  CHECK(place.MustRead(place.Ask(Asked::kStop, {"/^(api|work)/"})).event.names ==
        Names{"api", "worker"});
  CHECK(place.MustRead(place.Ask(Asked::kReload, {"/er$/", "api"})).event.names ==
        Names{"worker", "api"});
  // What the file here defines and nobody has started yet is found as well.
  CHECK(SpecNames(place.MustRead(place.Ask(Asked::kStart, {"/^blo/"}, place.File("blog")))) ==
        Names{"blog"});
  CHECK(place.MustRefuse(place.Ask(Asked::kStop, {"/nobody/"})).error ==
        "no service matches /nobody/; see oxherd list");
  CHECK(Says(place.MustRefuse(place.Ask(Asked::kStop, {"/(/"})).error, "regular expression"));
  const auto selected = ReadSelection(place.Ask(Asked::kList, {"/^api$/"}), place.Context());
  REQUIRE(selected);
  CHECK(selected->size() == 2);
}

TEST_CASE("several files are read as one, and what two of them define starts nothing") {
  const Place place;
  control::Request request = place.Ask(Asked::kStart, {}, place.File("shop"));
  request.more_oxfiles = {place.File("blog")};
  const Understood understood = place.MustRead(request);
  CHECK(understood.oxfiles == Names{place.File("shop"), place.File("blog")});
  CHECK(SpecNames(understood).back() == "blog");
  request.names = {"blog"};
  CHECK(SpecNames(place.MustRead(request)) == Names{"blog"});

  place.Write("blog",
              "[processes.extra]\ncommand = \"/bin/true\"\n[processes.api]\ncommand = \"x\"\n");
  request.names.clear();
  CHECK(Says(place.MustRefuse(request).error, "api is defined by"));
  request.names = {"extra"};
  CHECK(Says(place.MustRefuse(request).error, "api is defined by"));
}

TEST_CASE("a profile is remembered until another one is asked for") {
  Place place;
  const std::string text = std::string(Place::kShop) +
                           "[processes.worker.profiles.production]\nstop_timeout_ms = 7\n"
                           "[processes.worker.profiles.staging]\nstop_timeout_ms = 8\n";
  place.Write("shop", text);
  const auto timeout = [&](std::optional<std::string> profile) {
    control::Request request = place.Ask(Asked::kReload, {"worker"}, place.File("shop"));
    request.profile = std::move(profile);
    const Understood understood = place.MustRead(request);
    Actions actions;
    Apply(place.state, understood.event, os::Now(), actions);
    return understood.event.specs.front()->policy.stop_timeout.count();
  };
  CHECK(timeout(std::nullopt) == 10'000);
  CHECK(timeout("production") == 7);
  CHECK(timeout(std::nullopt) == 7);
  CHECK(timeout("staging") == 8);
  CHECK(timeout("") == 10'000);
  CHECK(timeout(std::nullopt) == 10'000);
  control::Request request = place.Ask(Asked::kReload, {"worker"}, place.File("shop"));
  request.profile = "prodction";
  const control::Reply reply = place.MustRefuse(request);
  REQUIRE(reply.errors.size() == 1);
  CHECK(Says(reply.errors.front(), "did you mean --env production?"));
}

}  // namespace oxherd
