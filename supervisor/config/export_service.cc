#include "config/export_service.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "config/keys.h"
#include "config/toml_reader.h"
#include "config/toml_text.h"

namespace oxherd {

namespace {

struct Source {
  bool is_apps = false;
  const Table* defaults = nullptr;
  std::vector<std::pair<std::string, const Table*>> services;

  [[nodiscard]] const Table* Find(std::string_view name) const {
    for (const auto& [known, table] : services) {
      if (known == name) return table;
    }
    return nullptr;
  }
};

Source SourceIn(const Table& document) {
  Source source;
  if (const Entry* defaults = document.Find("defaults"))
    source.defaults = defaults->value.As<Table>();
  const Entry* apps = document.Find("apps");
  const Entry* processes = document.Find("processes");
  if (const Array* list = apps == nullptr ? nullptr : apps->value.As<Array>()) {
    source.is_apps = true;
    for (const Value& app : *list) {
      const Table* table = app.As<Table>();
      const Entry* name = table == nullptr ? nullptr : table->Find("name");
      const auto* text = name == nullptr ? nullptr : name->value.As<std::string>();
      if (text != nullptr) source.services.emplace_back(*text, table);
    }
  } else if (const Table* tables = processes == nullptr ? nullptr : processes->value.As<Table>()) {
    for (const Entry& entry : tables->entries) {
      if (const Table* table = entry.value.As<Table>()) {
        source.services.emplace_back(entry.key, table);
      }
    }
  }
  return source;
}

std::string MainName(const std::string& key, bool is_apps) {
  const Key* known = FindKey(is_apps ? Section::kApp : Section::kProcess, key);
  return known == nullptr || known->same_as.empty() ? key : std::string(known->same_as);
}

// What the service says itself, and before that what of the defaults it does not say; tables key by
// key. (A variable may name one that stands before it.)
Table Merged(const Table& own, const Table& defaults, bool is_apps) {
  Table merged;
  Table rest = own;
  for (const Entry& entry : defaults.entries) {
    const std::string name = MainName(entry.key, is_apps);
    const auto same = std::ranges::find_if(
        rest.entries, [&](const Entry& each) { return MainName(each.key, is_apps) == name; });
    if (same == rest.entries.end()) {
      merged.entries.push_back(entry);
      continue;
    }
    const Table* below = entry.value.As<Table>();
    const Table* own_below = same->value.As<Table>();
    if (below != nullptr && own_below != nullptr) {
      same->value.content = Merged(*own_below, *below, is_apps);
    }
  }
  merged.entries.insert(merged.entries.end(), rest.entries.begin(), rest.entries.end());
  return merged;
}

// A path, or what holds paths: an array of them, or { path = … }.
void MakeAbsolute(Value& value, const std::string& folder) {
  if (auto* text = std::get_if<std::string>(&value.content)) {
    if (text->starts_with('/') || text->starts_with("~/") || text->starts_with("${")) return;
    const auto path = (std::filesystem::path(folder) / *text).lexically_normal();
    *text = (path.has_filename() ? path : path.parent_path()).string();
  } else if (auto* items = std::get_if<Array>(&value.content)) {
    for (Value& item : *items) MakeAbsolute(item, folder);
  } else if (auto* table = std::get_if<Table>(&value.content)) {
    for (Entry& entry : table->entries) {
      if (entry.key == "path") MakeAbsolute(entry.value, folder);
    }
  }
}

void MakePathsAbsolute(Table& service, const std::string& folder, bool is_apps) {
  constexpr auto kPaths = std::to_array<std::string_view>(
      {"working_dir", "env_file", "log_file", "error_log_file", "stdout", "stderr", "combined"});
  for (Entry& entry : service.entries) {
    const std::string name = MainName(entry.key, is_apps);
    if (std::ranges::find(kPaths, name) != kPaths.end()) {
      MakeAbsolute(entry.value, folder);
    } else if (auto* below = std::get_if<Table>(&entry.value.content)) {
      const bool holds_keys = name == "logs" || name == "profiles" || entry.key == "profiles";
      if (holds_keys) MakePathsAbsolute(*below, folder, is_apps);
    }
  }
}

// A profile's table is below "profiles", one level further down.
void MakeProfilesAbsolute(Table& service, const std::string& folder, bool is_apps) {
  for (Entry& entry : service.entries) {
    auto* profiles = entry.key == "profiles" ? std::get_if<Table>(&entry.value.content) : nullptr;
    if (profiles == nullptr) continue;
    for (Entry& profile : profiles->entries) {
      if (auto* table = std::get_if<Table>(&profile.value.content)) {
        MakePathsAbsolute(*table, folder, is_apps);
      }
    }
  }
}

bool HasWorkingDir(const Table& service, bool is_apps) {
  return std::ranges::any_of(service.entries, [&](const Entry& entry) {
    return MainName(entry.key, is_apps) == "working_dir";
  });
}

std::string TextOf(const Table& table) {
  std::string text;
  for (const Entry& entry : table.entries) {
    if (const Table* below = entry.value.As<Table>()) {
      for (const Entry& inner : below->entries) {
        text +=
            TomlKey(entry.key) + "." + TomlKey(inner.key) + " = " + TomlValue(inner.value) + "\n";
      }
      if (below->entries.empty()) text += TomlKey(entry.key) + " = {}\n";
    } else {
      text += TomlKey(entry.key) + " = " + TomlValue(entry.value) + "\n";
    }
  }
  return text;
}

void AddDependencies(const Table& service, std::vector<std::string>& names) {
  const Entry* entry = service.Find("depends_on");
  if (entry == nullptr) return;
  const auto add = [&](const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  if (const Array* items = entry->value.As<Array>()) {
    for (const Value& item : *items) {
      if (const auto* name = item.As<std::string>()) add(*name);
    }
  } else if (const Table* table = entry->value.As<Table>()) {
    for (const Entry& each : table->entries) add(each.key);
  }
}

}  // namespace

Result<std::string> ExportServices(std::string_view text, const std::string& folder,
                                   std::span<const std::string> names) {
  const auto document = ReadToml(text);
  if (!document) return MakeError("it cannot be read; oxherd validate says where");
  const Source source = SourceIn(*document);
  std::vector<std::string> wanted(names.begin(), names.end());
  std::string out;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Table* own = source.Find(wanted[i]);
    if (own == nullptr) return MakeError(wanted[i] + " is not defined in it");
    Table service =
        source.defaults == nullptr ? *own : Merged(*own, *source.defaults, source.is_apps);
    MakePathsAbsolute(service, folder, source.is_apps);
    MakeProfilesAbsolute(service, folder, source.is_apps);
    if (!HasWorkingDir(service, source.is_apps)) {
      service.entries.push_back({"working_dir", {}, Value{{}, folder}});
    }
    AddDependencies(service, wanted);
    out += (out.empty() ? "" : "\n") +
           (source.is_apps ? std::string("[[apps]]") : "[processes." + TomlKey(wanted[i]) + "]") +
           "\n" + TextOf(service);
  }
  return out;
}

}  // namespace oxherd
