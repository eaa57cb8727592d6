#include "daemon/launch/service_environment.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace oxherd {
namespace {

constexpr std::size_t kLongValue = 20;

// user:password@ in a URL.
bool HasCredentials(std::string_view value) {
  const std::size_t scheme = value.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view rest = value.substr(scheme + 3);
  return rest.substr(0, rest.find('/')).find('@') != std::string_view::npos;
}

// Letters and digits mixed, long, and nothing that paths, URLs and sentences have.
bool LooksRandom(std::string_view value) {
  if (value.size() < kLongValue) return false;
  bool digit = false;
  bool letter = false;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    digit |= std::isdigit(byte) != 0;
    letter |= std::isalpha(byte) != 0;
    if (c == ' ' || c == ':' || c == ',' || c == '.') return false;
  }
  return digit && letter && !value.starts_with('/');
}

}  // namespace

bool LooksSecret(std::string_view name, std::string_view value) {
  constexpr auto kParts = std::to_array<std::string_view>(
      {"KEY", "TOKEN", "SECRET", "PASS", "PWD", "CRED", "AUTH", "PRIVATE", "COOKIE", "SESSION",
       "SALT", "DSN", "SIGNATURE", "WEBHOOK"});
  if (IsOwnName(name) || IsBaseName(name)) return false;
  std::string upper(name);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
  return std::ranges::any_of(kParts, [&](std::string_view part) { return upper.contains(part); }) ||
         HasCredentials(value) || LooksRandom(value);
}

Result<control::ServiceEnvironment> EnvironmentFor(const Spec& spec, const SpawnIdentity& identity,
                                                   std::span<const EnvEntry> base,
                                                   Secrets secrets) {
  OXHERD_TRY_ASSIGN(const auto variables, BuildEnvironment(spec, identity, base));
  control::ServiceEnvironment environment{
      .service = spec.name, .folder = spec.working_dir, .run_as = std::nullopt, .variables = {}};
  if (spec.run_as.is_set()) environment.run_as = spec.run_as;
  for (const auto& [name, value] : variables) {
    const bool hidden = secrets == Secrets::kHidden && LooksSecret(name, value);
    environment.variables.push_back({name, hidden ? "" : value, hidden});
  }
  return environment;
}

}  // namespace oxherd
