#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string_view>

#include "config/environment.h"
#include "config/nearest.h"
#include "config/placeholder.h"
#include "config/rules.h"

namespace oxherd {

const Result<EnvFile>& EnvFiles::Get(const std::string& path) {
  const auto known = known_.find(path);
  if (known != known_.end()) return known->second;
  auto text = files_.read(path);
  Result<EnvFile> file =
      text ? Result<EnvFile>(ParseEnvFile(*text)) : std::unexpected(std::move(text).error());
  return known_.emplace(path, std::move(file)).first->second;
}

namespace {

// The names that stand for something at a point of the file.
class KnownNames {
 public:
  KnownNames(const Draft& draft, const ReadOptions& options) : options_(options) {
    if (draft.spec.port_base || draft.Find("listen") != nullptr) names_.insert("PORT");
    names_.insert("PYTHONUNBUFFERED");
  }

  void Add(std::string_view name) { names_.insert(name); }
  void Remove(std::string_view name) { names_.erase(name); }

  [[nodiscard]] bool Has(std::string_view name) const {
    if (IsBaseName(name) || IsOwnName(name) || names_.contains(name)) return true;
    return std::ranges::any_of(options_.base_environment,
                               [name](const EnvEntry& entry) { return entry.first == name; });
  }

  // What to do about `${name}`, which is not set.
  [[nodiscard]] std::string Explain(std::string_view name) const {
    std::vector<std::string_view> candidates(names_.begin(), names_.end());
    candidates.insert(candidates.end(), {"INSTANCE", "PATH", "HOME", "USER", "OXHERD_SERVICE"});
    if (const auto nearest = Nearest(name, candidates)) {
      return fmt::format("${{{}}} is not set; did you mean ${{{}}}?", name, *nearest);
    }
    if (name == "PORT") {
      return "${PORT} is not set; add listen = 3000, or PORT to env";
    }
    return fmt::format("${{{}}} is not set before this; add it to env, or to an env_file", name);
  }

 private:
  const ReadOptions& options_;
  std::set<std::string_view> names_;
};

// The first name in `text` that is not known; empty if all are.
std::string UnknownName(std::string_view text, const KnownNames& known) {
  if (!text.contains("${")) return {};
  const auto parts = SplitPlaceholders(text);
  if (!parts) return {};
  for (const TextPart& part : *parts) {
    if (part.kind == TextPart::Kind::kName && !known.Has(part.text)) return part.text;
  }
  return {};
}

class EnvironmentRules {
 public:
  EnvironmentRules(Draft& draft, const RuleContext& context)
      : draft_(draft), context_(context), known_(draft, context.options) {}

  void Run() {
    AddLayers([](Layer layer) { return layer != Layer::kProfile; });
    AddLayers([](Layer layer) { return layer == Layer::kProfile; });
    for (const auto& [mark, texts] : draft_.expandables) {
      const bool check_command = mark == "health_check.command";
      const bool gives_port = mark == "listen" && !SetsPort();
      if (check_command) known_.Add("OXHERD_PID");
      if (gives_port) known_.Remove("PORT");
      for (const Expandable& text : texts) CheckText(mark, text);
      if (gives_port) known_.Add("PORT");
      if (check_command) known_.Remove("OXHERD_PID");
    }
  }

 private:
  // The profile's env files win over `env` too.
  void AddLayers(bool (*counts)(Layer)) {
    for (const EnvFileSetting& setting : draft_.env_files) {
      if (counts(setting.layer)) AddFile(setting);
    }
    for (const EnvSetting& setting : draft_.env) {
      if (counts(setting.layer)) AddSetting(setting);
    }
  }

  void AddFile(const EnvFileSetting& setting) {
    draft_.spec.env_files.push_back(setting.path);
    if (!context_.env_files.readable()) {
      all_read_ = false;
      return;
    }
    const Result<EnvFile>& file = context_.env_files.Get(setting.path);
    if (!file) {
      FileError(setting, file.error());
      return;
    }
    for (const EnvFileProblem& problem : file->problems) {
      context_.errors.AddIn(setting.path, problem.position, problem.name, problem.message, {});
    }
    for (const EnvFileEntry& entry : file->entries) {
      const std::string unknown = UnknownName(entry.value, known_);
      if (!unknown.empty() && all_read_) {
        context_.errors.AddIn(setting.path, entry.position, entry.name,
                              Explain(unknown) + ". In '…' it would stand for itself", {});
      }
      Store(entry.name, entry.value);
    }
  }

  void FileError(const EnvFileSetting& setting, const Error& error) {
    all_read_ = false;  // whatever is missing is perhaps there
    if (error.number != ENOENT) {
      context_.errors.Add(setting.position, draft_.PathOf("env_file"),
                          fmt::format("cannot read \"{}\": {}", setting.path, error.message));
      return;
    }
    if (setting.optional) {
      all_read_ = true;
      return;
    }
    const std::string beside = draft_.spec.working_dir + "/" + setting.shown;
    const bool elsewhere = beside != setting.path && context_.env_files.Get(beside).has_value();
    context_.errors.Add(
        setting.position, draft_.PathOf("env_file"),
        elsewhere
            ? fmt::format("there is no \"{}\"; write \"{}\"", setting.path, beside)
            : fmt::format("there is no \"{}\"; create it, or write {{ path = \"{}\", optional "
                          "= true }}",
                          setting.path, setting.shown));
  }

  void AddSetting(const EnvSetting& setting) {
    const std::string key = draft_.TableOf(setting.layer) + ".env." + setting.name;
    const std::string unknown = UnknownName(setting.text, known_);
    if (!unknown.empty() && all_read_) {
      context_.errors.Add(setting.position, key, Explain(unknown));
    }
    if (IsOwnName(setting.name)) {
      context_.errors.Note(setting.position, key,
                           "Oxherd sets this variable itself; the value here is not used");
    }
    Store(setting.name, setting.text);
  }

  void CheckText(const std::string& mark, const Expandable& text) {
    if (const auto parts = SplitPlaceholders(text.text); !parts) {
      context_.errors.Add(text.position, draft_.PathOf(mark), parts.error().message);
      return;
    }
    const std::string unknown = UnknownName(text.text, known_);
    if (!unknown.empty() && all_read_) {
      context_.errors.Add(text.position, draft_.PathOf(mark), Explain(unknown));
    }
  }

  [[nodiscard]] bool SetsPort() const {
    return std::ranges::find(draft_.spec.env, "PORT", &EnvEntry::first) != draft_.spec.env.end();
  }

  [[nodiscard]] std::string Explain(std::string_view name) const {
    return context_.errors.full() ? "a variable that is not set" : known_.Explain(name);
  }

  // One more variable for the service, as long as all of them fit in memory.
  void Store(const std::string& name, const std::string& text) {
    context_.environment_bytes += name.size() + text.size() + 2 * sizeof(std::string);
    if (context_.environment_bytes > kMaxEnvironmentBytes) return;  // FinishService() says so
    draft_.spec.env.emplace_back(name, text);
    known_.Add(name);
  }

  Draft& draft_;
  const RuleContext& context_;
  KnownNames known_;
  bool all_read_ = true;  // no env file is missing whose names are then not known
};

}  // namespace

void FinishEnvironment(Draft& draft, const RuleContext& context) {
  if (context.environment_bytes > kMaxEnvironmentBytes) return;
  EnvironmentRules(draft, context).Run();
  if (context.environment_bytes > kMaxEnvironmentBytes) {
    context.errors.Add(
        draft.position, draft.table,
        fmt::format("the environments of all services together are larger than {} MiB",
                    kMaxEnvironmentBytes >> 20U));
  }
}

}  // namespace oxherd
