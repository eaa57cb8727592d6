#include "config/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "config/listen_address.h"
#include "config/placeholder.h"

namespace oxherd {

namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

// What systemd, or an Oxherd around us, says to this process and not to its children.
constexpr std::array<std::string_view, 10> kNotInherited = {
    "NOTIFY_SOCKET",  "WATCHDOG_USEC", "WATCHDOG_PID",   "LISTEN_FDS",    "LISTEN_PID",
    "LISTEN_FDNAMES", "INVOCATION_ID", "JOURNAL_STREAM", "OXHERD_LISTEN", "OXHERD_PID"};

// What execve(2) takes as one string (MAX_ARG_STRLEN). Also the bound on variables that double each
// other.
constexpr std::size_t kMaxValue = std::size_t{128} * 1024 - 1;

// Replaces every placeholder; `find` returns the value of a name, or null.
template <typename Find>
Result<std::string> Substitute(std::string_view text, SlotIndex slot, Find find) {
  if (!text.contains("${")) return std::string(text);
  OXHERD_TRY_ASSIGN(const auto parts, SplitPlaceholders(text));
  std::string result;
  for (const TextPart& part : parts) {
    if (part.kind == TextPart::Kind::kLiteral) {
      result += part.text;
    } else if (part.kind == TextPart::Kind::kInstance) {
      result += std::to_string(part.addend + slot);
    } else if (const std::string* value = find(part.text)) {
      result += *value;
    } else if (!IsBaseName(part.text)) {
      return MakeError(fmt::format("${{{}}} is not set", part.text));
    }
    if (result.size() > kMaxValue) {
      return MakeError(
          fmt::format("longer than {} bytes once its ${{…}} are filled in", kMaxValue));
    }
  }
  return result;
}

Variables Ours(const Spec& spec, const SpawnIdentity& identity) {
  const std::string slot = std::to_string(identity.slot);
  return {{"OXHERD_SERVICE", spec.name},
          {"OXHERD_INSTANCE_ID", slot},
          {"OXMGR_INSTANCE_ID", slot},
          {"NODE_APP_INSTANCE", slot},
          {"OXHERD_GENERATION", std::to_string(identity.generation.number())},
          {"OXHERD_TOKEN", std::to_string(identity.token.number())}};
}

// By `listen`, the first of several, or by `port_base`.
std::optional<int> PortGiven(const Spec& spec, SlotIndex slot) {
  for (const ListenAddress& address : spec.policy.listen) {
    if (const auto port = PortOf(address)) return *port;
  }
  if (spec.port_base) return *spec.port_base + slot;
  return std::nullopt;
}

}  // namespace

bool IsBaseName(std::string_view name) {
  constexpr std::array<std::string_view, 7> kNames = {"PATH",  "HOME", "USER", "LOGNAME",
                                                      "SHELL", "LANG", "TZ"};
  return name.starts_with("LC_") || std::ranges::find(kNames, name) != kNames.end();
}

bool IsOwnName(std::string_view name) {
  constexpr std::array<std::string_view, 6> kNames = {"OXHERD_SERVICE",    "OXHERD_INSTANCE_ID",
                                                      "OXMGR_INSTANCE_ID", "NODE_APP_INSTANCE",
                                                      "OXHERD_GENERATION", "OXHERD_TOKEN"};
  return std::ranges::find(kNames, name) != kNames.end();
}

std::vector<EnvEntry> BaseEnvironment(std::span<const EnvEntry> caller) {
  std::vector<EnvEntry> base;
  std::ranges::copy_if(caller, std::back_inserter(base),
                       [](const EnvEntry& entry) { return IsBaseName(entry.first); });
  return base;
}

Result<std::vector<EnvEntry>> BuildEnvironment(const Spec& spec, const SpawnIdentity& identity,
                                               std::span<const EnvEntry> base) {
  Variables variables(base.begin(), base.end());
  for (const std::string_view name : kNotInherited) variables.erase(std::string(name));
  variables.try_emplace("PYTHONUNBUFFERED", "1");
  for (const auto& [name, value] : Ours(spec, identity)) {
    variables.insert_or_assign(name, value);
  }
  const bool sets_port =
      std::ranges::any_of(spec.env, [](const EnvEntry& e) { return e.first == "PORT"; });
  if (!sets_port) {
    if (const auto port = PortGiven(spec, identity.slot)) {
      variables.insert_or_assign("PORT", std::to_string(*port));
    }
  }
  for (const auto& [name, text] : spec.env) {
    auto value = Substitute(text, identity.slot, [&](std::string_view wanted) {
      const auto found = variables.find(wanted);
      return found == variables.end() ? nullptr : &found->second;
    });
    if (!value) return std::unexpected(std::move(value).error().In("env." + name));
    if (!IsOwnName(name)) variables.insert_or_assign(name, std::move(*value));
  }
  return std::vector<EnvEntry>(variables.begin(), variables.end());
}

Result<std::string> Expand(std::string_view text, std::span<const EnvEntry> environment,
                           SlotIndex slot) {
  return Substitute(text, slot, [environment](std::string_view wanted) -> const std::string* {
    const auto found = std::ranges::lower_bound(environment, wanted, {}, [](const EnvEntry& entry) {
      return std::string_view(entry.first);
    });
    return found == environment.end() || found->first != wanted ? nullptr : &found->second;
  });
}

Result<std::vector<std::string>> ExpandCommand(const Command& command,
                                               std::span<const EnvEntry> environment,
                                               SlotIndex slot) {
  std::vector<std::string> argv = command.argv;
  if (!command.through_shell) {
    for (std::string& argument : argv) {
      OXHERD_TRY_ASSIGN(argument, Expand(argument, environment, slot));
    }
    return argv;
  }
  std::string line;
  std::string_view rest = argv.back();
  while (!rest.empty()) {
    const std::size_t length = InstancePlaceholderLength(rest);
    if (length == 0) {
      line += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    OXHERD_TRY_ASSIGN(const std::string number, Expand(rest.substr(0, length), {}, slot));
    line += number;
    rest.remove_prefix(length);
  }
  argv.back() = line;
  return argv;
}

}  // namespace oxherd
