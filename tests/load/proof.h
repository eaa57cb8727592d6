// Drives a real service under load: what the cases of the proof have in common.
#pragma once

#include <string>
#include <string_view>

#include "tests/e2e/home.h"
#include "tests/load/load.h"

namespace oxherd::load {

// OXHERD_LOAD=long asks for the long form, which `./dev bench` runs: many reloads, many clients.
[[nodiscard]] bool IsLong();

// A number of the short form, or of the long one.
[[nodiscard]] int ShortOrLong(int short_form, int long_form);

// A folder with everything of tests/load/servers, and a service `api`: `lines` are those of its
// table, in which
// @port and @folder stand for what they stand for in Home::Write.
void WriteService(const e2e::Home& home, std::string_view lines);

// A service that runs this command on `listen`, with `more` lines, and reloads without long waits
// unless these name min_uptime_ms.
std::string Serving(std::string_view command, int instances, std::string_view more = {},
                    std::string_view listen = "@port");

// The server of servers/server.c.
std::string CServer();

// False, with a message, where a program is not installed.
bool Has(const std::string& program);

// 16 (long: 32) fresh clients of port().
Plan Fresh(const e2e::Home& home);

// Waits until requests that began after the call were answered, as many as there are clients.
void WaitForAnswers(const Load& load, const Plan& plan);

// Reloads `times` under the load; each must end well within a minute. Fails the test, with what the
// supervisor's log says, where one request failed.
Counts ReloadUnder(const e2e::Home& home, const Plan& plan, int times);

// Fails the test, with the failures and the end of the supervisor's log, unless all went well.
void CheckNothingFailed(const e2e::Home& home, const Counts& counts);

// The end of daemon.log.
std::string DaemonLog(const e2e::Home& home, std::size_t bytes = 6000);

}  // namespace oxherd::load
