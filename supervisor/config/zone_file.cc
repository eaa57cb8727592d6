#include "config/zone_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "config/text_file.h"

namespace oxherd {
namespace {

constexpr std::size_t kLongestName = 64;

std::string Variable(const char* name) {
  const char* value = ::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets variables
  return value == nullptr ? std::string() : std::string(value);
}

std::string Folder() {
  const std::string folder = Variable("TZDIR");
  return folder.empty() ? "/usr/share/zoneinfo" : folder;
}

bool IsName(std::string_view name) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("/_+-").contains(c);
  };
  return !name.empty() && name.size() <= kLongestName && name.front() != '/' &&
         name.back() != '/' && !name.contains("//") && std::ranges::all_of(name, is_fine);
}

Result<TimeZone> Read(const std::string& path) {
  OXHERD_TRY_ASSIGN(const std::string bytes, ReadTextFile(path));
  return TimeZone::FromTzif(bytes);
}

TimeZone Local() {
  std::string name = Variable("TZ");
  if (name.starts_with(':')) name.erase(0, 1);
  if (name.starts_with('/')) return Read(name).value_or(TimeZone());
  if (!name.empty()) {
    if (Result<TimeZone> zone = LoadTimeZone(name)) return std::move(*zone);
    return TimeZone::FromRule(name).value_or(TimeZone());
  }
  return Read("/etc/localtime").value_or(TimeZone());
}

}  // namespace

Result<TimeZone> LoadTimeZone(const std::string& name) {
  if (name.empty()) return Local();
  if (name == "UTC" || name == "Etc/UTC") return TimeZone();
  if (!IsName(name)) return MakeError("is not a time zone; write one such as \"Europe/Berlin\"");
  const std::string folder = Folder();
  Result<TimeZone> zone = Read(folder + "/" + name);
  if (zone) return zone;
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) {
    return MakeError("cannot be looked up, as this machine has no " + folder +
                     "; install tzdata, or write \"UTC\"");
  }
  return MakeError("is not a time zone of this machine's; write one such as \"Europe/Berlin\"");
}

}  // namespace oxherd
