// cron_restart, schedule, timezone: reading them, and what they mean together.
#include <fmt/format.h>

#include "config/rules.h"
#include "config/table_readers.h"
#include "config/zone_file.h"
#include "core/cron.h"

namespace oxherd {
namespace {

void ReadCron(const Reading& reading, std::string& target) {
  auto text = ReadString(reading);
  if (!text) return;
  if (const auto cron = ParseCron(*text); !cron) {
    Position position = reading.value.position;
    position.column += 1 + static_cast<std::uint32_t>(cron.error().at);  // behind the quote
    if (cron.error().at == 0) position = reading.value.position;
    return reading.Error(position, cron.error().message);
  }
  target = std::move(*text);
}

}  // namespace

void ReadCronRestart(const Reading& reading) {
  ReadCron(reading, reading.draft().spec.cron_restart);
}

void ReadSchedule(const Reading& reading) { ReadCron(reading, reading.draft().spec.schedule); }

void ReadTimezone(const Reading& reading) {
  auto name = ReadString(reading);
  if (!name) return;
  if (name->empty()) {
    return reading.Error("is empty; write one such as \"Europe/Berlin\", or leave it out");
  }
  if (const auto zone = LoadTimeZone(*name); !zone) {
    return reading.Error(fmt::format("\"{}\" {}", name->substr(0, 64), zone.error().message));
  }
  reading.draft().spec.timezone = std::move(*name);
}

void FinishTimes(Draft& draft, const RuleContext& context) {
  Spec& spec = draft.spec;
  const bool is_oneshot = spec.policy.type == ServiceType::kOneshot;
  // One of the two does not fit; said of all services it is meant for those that it does.
  std::string& unfit = is_oneshot ? spec.cron_restart : spec.schedule;
  const char* key = is_oneshot ? "cron_restart" : "schedule";
  if (!unfit.empty() && draft.HasOwn(key)) {
    context.errors.Add(draft.PositionOf(key), draft.PathOf(key),
                       is_oneshot ? "a oneshot does not run all the time; write schedule instead"
                                  : "only a oneshot is run at times; add type = \"oneshot\", or "
                                    "write cron_restart instead");
  }
  unfit.clear();
  spec.policy.scheduled = !spec.schedule.empty();
}

}  // namespace oxherd
