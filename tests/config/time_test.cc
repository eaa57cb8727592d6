// cron_restart, schedule and timezone.
#include <string>

#include "config/zone_file.h"
#include "doctest/doctest.h"
#include "tests/config/reading.h"

namespace oxherd {
namespace {

constexpr const char* kOneshot = "type = \"oneshot\"\n";

TEST_CASE("cron_restart, schedule and timezone are read as they are written") {
  const Surroundings here;
  const Spec service = here.ReadOne(Api("cron_restart = \"0 3 * * *\"\ntimezone = \"UTC\""));
  CHECK(service.cron_restart == "0 3 * * *");
  CHECK(service.timezone == "UTC");
  CHECK_FALSE(service.policy.scheduled);
  const Spec oneshot = here.ReadOne(Api(std::string(kOneshot) + "schedule = \"*/5 * * * * *\""));
  CHECK(oneshot.schedule == "*/5 * * * * *");
  CHECK(oneshot.policy.scheduled);
  CHECK(oneshot.timezone.empty());
}

TEST_CASE("a wrong time is located within the text, and a wrong zone says what to write") {
  const Surroundings here;
  CHECK(here.Errors(Api("cron_restart = \"0 25 * * *\"")) ==
        "3:19: processes.api.cron_restart: hour: \"25\" is none; write 0 to 23");
  CHECK(here.Errors(Api("cron_restart = \"nightly\""))
            .starts_with("3:16: processes.api.cron_restart: \"nightly\" has 1 fields, not 5"));
  CHECK(here.Errors(Api("cron_restart = 3")).contains("found the number 3, expected"));
  for (const char* zone : {"Mars/Base", "../../etc/passwd", "/etc/localtime", "Europe/"}) {
    CAPTURE(zone);
    const std::string errors = here.Errors(Api("timezone = \"" + std::string(zone) + "\""));
    CHECK(errors.starts_with("3:12: processes.api.timezone: \"" + std::string(zone) + "\" "));
    CHECK(errors.contains("\"UTC\"") != errors.contains("\"Europe/Berlin\""));
  }
  CHECK(here.Errors(Api("timezone = \"\"")).contains("is empty"));
}

TEST_CASE(
    "a schedule is a oneshot's, cron_restart is a service's; in [defaults] each takes its own") {
  const Surroundings here;
  CHECK(here.Errors(Api("schedule = \"0 3 * * *\"")) ==
        "3:12: processes.api.schedule: only a oneshot is run at times; add type = \"oneshot\", or "
        "write cron_restart instead");
  CHECK(here.Errors(Api(std::string(kOneshot) + "cron_restart = \"0 3 * * *\"")) ==
        "4:16: processes.api.cron_restart: a oneshot does not run all the time; write schedule "
        "instead");
  const Oxfile both = here.Read("[defaults]\ncron_restart = \"@daily\"\nschedule = \"@hourly\"\n" +
                                Api("") + "\n[processes.job]\ncommand = \"x\"\n" + kOneshot);
  CHECK(both.specs[0].cron_restart == "@daily");
  CHECK(both.specs[0].schedule.empty());
  CHECK(both.specs[1].cron_restart.empty());
  CHECK(both.specs[1].schedule == "@hourly");
}

TEST_CASE("nothing can wait for what is run by its schedule") {
  const std::string file = Api("depends_on = [\"job\"]") +
                           "\n[processes.job]\ncommand = \"x\"\nschedule = \"@daily\"\n" + kOneshot;
  CHECK(Surroundings().Errors(file).contains(
      "processes.api.depends_on: \"job\" is run by its schedule, so nothing can wait for it"));
}

TEST_CASE("OxMgr's cron_restart is in UTC, and says so") {
  const Surroundings here;
  const std::string app =
      "[[apps]]\nname = \"api\"\ncommand = \"x\"\ncron_restart = \"0 3 * * *\"\n";
  CHECK(here.ReadOne(app).timezone == "UTC");
  CHECK(here.Notes(app).contains("is in UTC, as in OxMgr"));
}

TEST_CASE("the zones of this machine tell summer from winter") {
  const auto berlin = LoadTimeZone("Europe/Berlin");
  if (!berlin) {
    MESSAGE("skipped: " << berlin.error().message);
    return;
  }
  using std::chrono::sys_days;
  const auto offset = [&](int year, unsigned month) {
    const sys_days day = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(1);
    return berlin->OffsetAt(day).count();
  };
  CHECK(offset(1900, 1) == 3600);
  CHECK(offset(2026, 1) == 3600);
  CHECK(offset(2026, 7) == 7200);
  CHECK(offset(2100, 7) == 7200);
}

}  // namespace
}  // namespace oxherd
