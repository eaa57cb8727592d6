#include "keeper/protocol.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "keeper/plan.h"

namespace oxherd::keeper {
namespace {

Roles ThreeRoles() {
  Roles roles;
  roles.Add(Role::kStdout);
  roles.Add(Role::kStderr);
  roles.Add(Role::kNotify);
  return roles;
}

std::vector<Request> AllRequests() {
  Label label{
      .service = Name("api"), .slot = 3, .generation = Generation(9), .kind = ProcessKind::kHook};
  Roles roles = ThreeRoles();
  return {Spawn{.token = Token(77), .label = label, .roles = roles},
          Stop{.token = Token(1),
               .signal = 15,
               .scope = Scope::kMain,
               .kill_at = InstantFromNanoseconds(1234567)},
          Kill{Token(2)},
          Signal{.token = Token(3), .signal = 10, .scope = Scope::kGroup},
          Ack{Token(4)},
          Hold{HeldName("image")},
          Drop{HeldName("3000")},
          World{},
          BeatAnswer{41},
          Upgrade{},
          Bye{.exit_code = 3, .remains = Remains::kLeave}};
}

std::vector<Report> AllReports() {
  const ExitRecord exit{.status = ExitStatus::Signal(9),
                        .user_time = Millis(5),
                        .system_time = Millis(6),
                        .at = InstantFromNanoseconds(99)};
  WorldRecord record;
  record.token = Token(~0ULL);
  record.label = {.service = Name(std::string(kMaxNameBytes, 'x')),
                  .slot = 65535,
                  .generation = Generation(~0U),
                  .kind = ProcessKind::kCheck};
  record.phase = Phase::kGone;
  record.pid = Pid(4'000'000);
  record.in_cgroup = true;
  record.started_at = InstantFromNanoseconds(1);
  record.exit = exit;
  record.held = ThreeRoles();
  return {
      Hello{.version = 1,
            .keeper = Pid(1),
            .daemon_number = 2,
            .use_image = false,
            .terminations = 1,
            .listen_socket = Name("oxherd-listen-1:2")},
      Started{.token = Token(1), .pid = Pid(5), .in_cgroup = true, .at = InstantFromNanoseconds(8)},
      SpawnFailed{.token = Token(1), .stage = Stage::kExec, .error_number = 2},
      Exited{.token = Token(1), .record = exit},
      Gone{.token = Token(1), .at = InstantFromNanoseconds(3)},
      KillFired{.token = Token(1), .at = InstantFromNanoseconds(2)},
      record,
      WorldHeld{HeldName("3000")},
      WorldEnd{.records = 1, .held = 2, .highest = Token(3)},
      Beat{8},
      Refused{.request = 5, .token = Token(1), .name = HeldName("n"), .error_number = 28},
      Stray{Pid(12)},
      NewControlSocket{},
      ListenTaken{.token = Token(4), .name = HeldName(std::string(kMaxHeldNameBytes, 'h'))},
      ListenRefused{.token = Token(5),
                    .why = ListenMismatch::kWidth,
                    .asked = {.family = TcpAddress::Family::kIpv6, .port = 3000, .host = {1, 2}}}};
}

TEST_CASE("every message comes back as it went in") {
  const std::vector<Request> requests = AllRequests();
  CHECK(requests.size() == std::variant_size_v<Request>);
  for (const Request& request : requests) {
    MessageBuffer buffer{};
    CHECK(DecodeRequest(Encode(request, buffer)) == request);
  }
  const std::vector<Report> reports = AllReports();
  CHECK(reports.size() == std::variant_size_v<Report>);
  for (const Report& report : reports) {
    MessageBuffer buffer{};
    CHECK(DecodeReport(Encode(report, buffer)) == report);
  }
}

TEST_CASE("a message that is cut, lengthened or of another version is none") {
  for (const Request& request : AllRequests()) {
    MessageBuffer buffer{};
    const std::span<const std::byte> bytes = Encode(request, buffer);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CHECK_FALSE(DecodeRequest(bytes.first(size)).has_value());
    }
    CHECK_FALSE(DecodeRequest(std::span(buffer).first(bytes.size() + 1)).has_value());
    buffer[0] = std::byte{99};
    CHECK_FALSE(DecodeRequest(bytes).has_value());
  }
}

TEST_CASE("no change of a single byte makes reading a message fail badly") {
  for (const Report& report : AllReports()) {
    MessageBuffer buffer{};
    const std::size_t size = Encode(report, buffer).size();
    for (std::size_t at = 0; at < size; ++at) {
      for (const int value : {0, 1, 2, 9, 0x7F, 0x80, 0xFF}) {
        MessageBuffer changed = buffer;
        changed[at] = static_cast<std::byte>(value);
        const std::optional<Report> read = DecodeReport(std::span(changed).first(size));
        if (!read) continue;
        MessageBuffer again{};
        CHECK(DecodeReport(Encode(*read, again)) == read);
      }
    }
  }
}

Plan FullPlan() {
  Plan plan;
  plan.program = "/bin/sh";
  plan.arguments = {"sh", "-c", "", "echo \"hello\""};
  plan.environment = {"PATH=/bin", "EMPTY="};
  plan.directory = "/srv/app";
  plan.descriptors = {{.target = 1,
                       .source = MappedDescriptor::Source::kAttached,
                       .open = MappedDescriptor::Open::kReadWrite,
                       .attached = 1,
                       .name = ""},
                      {.target = 3,
                       .source = MappedDescriptor::Source::kHeld,
                       .open = MappedDescriptor::Open::kAsItIs,
                       .attached = 0,
                       .name = "3000"},
                      {.target = 200,
                       .source = MappedDescriptor::Source::kHeld,
                       .open = MappedDescriptor::Open::kListening,
                       .attached = 0,
                       .name = "3000"}};
  plan.limits = {{.resource = 7, .soft = 1024, .hard = ~0ULL}};
  plan.identity = Identity{.uid = 1000, .gid = 1001, .groups = {4, 5}};
  plan.umask = 022;
  plan.nice = -5;
  plan.oom_score_adj = 100;
  plan.cgroup = "api.0";
  plan.no_new_privs = true;
  plan.listen = ListenGrant{.number = 513, .secret = {9, 8, 7}};
  return plan;
}

std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST_CASE("a plan is read where it lies, complete") {
  const std::string bytes = EncodePlan(FullPlan());
  const std::optional<PlanView> view = PlanView::Open(BytesOf(bytes));
  REQUIRE(view.has_value());
  CHECK(view->program() == std::string("/bin/sh"));
  CHECK(view->directory() == std::string("/srv/app"));
  CHECK(view->cgroup() == "api.0");
  std::vector<const char*> arguments(view->argument_count());
  view->Arguments(arguments);
  CHECK(std::vector<std::string>(arguments.begin(), arguments.end()) == FullPlan().arguments);
  std::vector<const char*> environment(view->environment_count());
  view->Environment(environment);
  CHECK(std::vector<std::string>(environment.begin(), environment.end()) == FullPlan().environment);
  std::vector<PlanView::Descriptor> descriptors(view->descriptor_count());
  view->Descriptors(descriptors);
  REQUIRE(descriptors.size() == 3);
  CHECK(descriptors[0].open == MappedDescriptor::Open::kReadWrite);
  CHECK(descriptors[1].name == "3000");
  std::vector<std::uint32_t> groups(view->group_count());
  view->Groups(groups);
  CHECK(groups == std::vector<std::uint32_t>{4, 5});
  std::vector<ResourceLimit> limits(view->limit_count());
  view->Limits(limits);
  CHECK(limits == FullPlan().limits);
  CHECK(view->user()->uid == 1000);
  CHECK(view->user()->gid == 1001);
  CHECK(view->umask() == 022U);
  CHECK(view->nice() == -5);
  CHECK(view->oom_score_adj() == 100);
  CHECK(view->no_new_privs());
  CHECK(descriptors[2].open == MappedDescriptor::Open::kListening);
  CHECK(view->listen() == FullPlan().listen);
}

TEST_CASE("a plan that is cut, lengthened or spoiled is refused or read whole, never worse") {
  const std::string bytes = EncodePlan(FullPlan());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(PlanView::Open(BytesOf(bytes.substr(0, size))).has_value());
  }
  CHECK_FALSE(PlanView::Open(BytesOf(bytes + "x")).has_value());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const char value : {'\0', '\1', '\x7F', '\xFF'}) {
      std::string changed = bytes;
      changed[at] = value;
      const std::optional<PlanView> view = PlanView::Open(BytesOf(changed));
      if (!view) continue;
      std::vector<const char*> arguments(view->argument_count());
      view->Arguments(arguments);
      for (const char* argument : arguments) CHECK(std::strlen(argument) < changed.size());
    }
  }
}

TEST_CASE("a plan without a program, without arguments, or too large is refused") {
  Plan plan = FullPlan();
  plan.program = "";
  CHECK_FALSE(PlanView::Open(BytesOf(EncodePlan(plan))).has_value());
  plan = FullPlan();
  plan.arguments.clear();
  CHECK_FALSE(PlanView::Open(BytesOf(EncodePlan(plan))).has_value());
  plan = FullPlan();
  plan.environment.push_back("BIG=" + std::string(kMaxPlanBytes, 'x'));
  CHECK_FALSE(PlanView::Open(BytesOf(EncodePlan(plan))).has_value());
}

TEST_CASE("a name is cut at its bound") {
  CHECK(Name(std::string(100, 'n')).text() == std::string(kMaxNameBytes, 'n'));
  CHECK(HeldName(std::string(300, 'n')).text() == std::string(kMaxHeldNameBytes, 'n'));
}

}  // namespace
}  // namespace oxherd::keeper
