// The manual page Oxfile(5) says of every key what the code says of it.
#include <fstream>
#include <sstream>
#include <string>

#include "config/keys.h"
#include "doctest/doctest.h"

namespace oxherd {
namespace {

constexpr std::string_view kBegin = ".\\\" <keys>\n";
constexpr std::string_view kEnd = ".\\\" </keys>";

// A text as roff(7) wants it: no line of it is taken for a request.
std::string Roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') escaped += "\\e";
    if (c == '-') escaped += "\\-";
    if (c != '\\' && c != '-') escaped += c;
  }
  if (escaped.starts_with('.') || escaped.starts_with('\'')) escaped.insert(0, "\\&");
  return escaped;
}

std::string KeyAsRoff(const Key& key) {
  std::string text = ".TP\n.B " + Roff(key.name) + "\n";
  if (!key.same_as.empty()) return text + "The same as \\fB" + Roff(key.same_as) + "\\fR.\n";
  text += "\\fI" + Roff(key.type) + "\\fR";
  if (!key.fallback.empty()) text += "; default: " + Roff(key.fallback);
  return text + "\n.br\n" + Roff(key.meaning) + "\n";
}

// Keys that are known but read by nobody yet are left out: a file cannot have them.
std::string KeysAsRoff() {
  constexpr std::pair<Section, std::string_view> kSections[] = {
      {Section::kTop, "At the top"},
      {Section::kProcess, "[processes.NAME], and [defaults] for all of them"},
      {Section::kHealthCheck, "[processes.NAME.health_check]"},
      {Section::kLimits, "[processes.NAME.limits]"},
      {Section::kLogs, "[processes.NAME.logs], and [logging] for all of them"},
      {Section::kWebhook, "[processes.NAME.webhook]"},
      {Section::kLogging, "[logging] alone"},
      {Section::kSupervisor, "[supervisor]"}};
  std::string text;
  for (const auto& [section, title] : kSections) {
    std::string keys;
    for (const Key& key : KeysOf(section)) {
      if (key.read != nullptr) keys += KeyAsRoff(key);
    }
    if (!keys.empty()) text += ".SS \"" + Roff(title) + "\"\n" + keys;
  }
  return text;
}

TEST_CASE("the page Oxfile(5) describes every key that a file can have, as the code does") {
  std::ifstream file(std::string(OXHERD_SOURCE_DIR) + "/packaging/man/Oxfile.5");
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  const std::size_t begin = page.find(kBegin);
  const std::size_t end = page.find(kEnd);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const std::size_t from = begin + kBegin.size();
  INFO("put this between the marks:\n" << KeysAsRoff());
  CHECK(page.substr(from, end - from) == KeysAsRoff());
}

}  // namespace
}  // namespace oxherd
