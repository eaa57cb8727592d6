// Readers for the keys of a process that take more than one plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/reading.h"

namespace oxherd {

void ReadInstances(const Reading& reading);  // 1..1000 or "max"
void ReadListen(const Reading& reading);
void ReadStopSignal(const Reading& reading);     // "SIGTERM", "TERM" or 15
void ReadReloadSignal(const Reading& reading);   // as that
void ReadReady(const Reading& reading);          // "auto", "health", "log", "uptime"
void ReadRestartOnExit(const Reading& reading);  // true: always, false: never
void ReadReadyLog(const Reading& reading);
void ReadDependsOn(const Reading& reading);  // array of names, or name = "ready"
void ReadEnv(const Reading& reading);        // table of strings, numbers and booleans
void ReadEnvFile(const Reading& reading);    // path, array, or { path, optional }
void ReadLogPath(const Reading& reading, std::string& target);
void ReadLogDateFormat(const Reading& reading);
void ReadCronRestart(const Reading& reading);
void ReadSchedule(const Reading& reading);
void ReadTimezone(const Reading& reading);
void ReadWatch(const Reading& reading);
void ReadWatchExtensions(const Reading& reading);
void ReadWatchIgnore(const Reading& reading);
void ReadIgnoreWatch(const Reading& reading);  // OxMgr's: regular expressions
void ReadHealthCheck(const Reading& reading);
void ReadLimits(const Reading& reading);
void ReadLogs(const Reading& reading);
// The name of a user or group, or its number as a string or an integer.
void ReadAccount(const Reading& reading, std::string& target);
// Permissions as an octal string up to 0777; `example` is what the error shows.
[[nodiscard]] std::optional<std::uint16_t> ReadOctal(const Reading& reading,
                                                     std::string_view example);
void ReadWebhook(const Reading& reading);
void ReadProfiles(const Reading& reading);  // whether they are tables; profiles.cc reads them

}  // namespace oxherd
