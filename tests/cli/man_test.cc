// The manual page oxherd(1) lists every command that there is.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "cli/command_line/verbs.h"
#include "control/message.h"
#include "control/wire.h"

namespace oxherd::cli {
namespace {

constexpr std::string_view kBegin = ".\\\" <commands>\n";
constexpr std::string_view kEnd = ".\\\" </commands>";

std::string CommandsAsRoff() {
  std::string text;
  for (const VerbEntry& entry : Verbs()) {
    text += ".TP\n.B " + std::string(entry.name);
    std::string also;
    for (const std::string_view alias : entry.aliases) {
      if (!alias.empty()) also += (also.empty() ? "" : ", ") + std::string(alias);
    }
    if (!also.empty()) text += "\\fR (" + also + ")";
    text += "\n";
    for (const char c : entry.summary) text += c == '-' ? "\\-" : std::string(1, c);
    text += ".\n";
  }
  return text;
}

TEST_CASE("the page oxherd(1) lists every command, as --help does") {
  std::ifstream file(std::string(OXHERD_SOURCE_DIR) + "/packaging/man/oxherd.1");
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  const std::size_t begin = page.find(kBegin);
  const std::size_t end = page.find(kEnd);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const std::size_t from = begin + kBegin.size();
  INFO("put this between the marks:\n" << CommandsAsRoff());
  CHECK(page.substr(from, end - from) == CommandsAsRoff());
}

// One of everything, with every field set.
control::Reply FullReply() {
  using namespace control;
  Row row;
  row.last_exit = ExitStatus::Signal(9);
  row.last_exit->out_of_memory = true;
  row.health = Health{Health::Kind::kBad, 3, "503"};
  row.taken_out = true;
  row.says = row.reason = row.remark = row.out_log = row.err_log = "x";
  row.waits_for = {"x"};
  row.replaced_unix_ms = 1;
  row.next_generation = Generation(2);
  PoolRow pool;
  pool.steering = "x";
  pool.sockets.emplace_back().is_down = true;
  ServiceDetail detail;
  detail.last_reload.emplace().reason = "x";
  detail.file_problem = detail.limits = "x";
  detail.pools = {pool};
  detail.instances = {row};
  detail.events.emplace_back();
  ServiceEnvironment environment;
  environment.run_as.emplace();
  environment.variables.emplace_back();
  ServiceResult result;
  result.instance = result.reason = result.failed_instance = "x";
  result.tried = Generation(2);
  result.gap_ms = 1;
  result.log_tail = result.notes = {"x"};
  Reply reply;
  reply.code = ExitCode::kNotDone;
  reply.error = reply.daemon_version = "x";
  reply.errors = reply.notes = {"x"};
  reply.services = {result};
  reply.plan.emplace_back().differences = {"x"};
  reply.instances = {row};
  reply.details = {detail};
  reply.environments = {environment};
  reply.daemon.emplace().daemon_log = "x";
  reply.daemon->warnings = {"x"};
  return reply;
}

TEST_CASE("the page oxherd(1) names every field of --json") {
  std::ifstream file(std::string(OXHERD_SOURCE_DIR) + "/packaging/man/oxherd.1");
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  std::string json;
  for (const control::Command command :
       {control::Command::kStatus, control::Command::kStart, control::Command::kEnvironment}) {
    control::Reply reply = FullReply();
    reply.command = command;
    json += control::EncodeForPeople(reply, "x");
  }
  std::size_t count = 0;
  for (std::size_t end = 0; (end = json.find("\":", end)) != json.npos; ++end) {
    const std::size_t begin = json.rfind('"', end - 1) + 1;
    const std::string key = json.substr(begin, end - begin);
    CAPTURE(key);
    CHECK((page.contains(".B " + key + "\n") || page.contains("\\fB" + key + "\\fR")));
    ++count;
  }
  CHECK(count > 60);
}

}  // namespace
}  // namespace oxherd::cli
