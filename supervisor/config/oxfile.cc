#include "config/oxfile.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <utility>

#include "config/error_list.h"
#include "config/include.h"
#include "config/keys.h"
#include "config/profiles.h"
#include "config/rules.h"
#include "config/text_file.h"
#include "config/toml_reader.h"

namespace oxherd {

namespace {

// What is wrong with a service's name; empty: nothing.
std::string ExplainName(std::string_view name) {
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.empty()) return "an empty name; write [processes.api]";
  if (name.size() > kMaxServiceName) {
    return fmt::format("a name is at most {} characters long", kMaxServiceName);
  }
  if (!std::ranges::all_of(name, allowed)) {
    return "a name is made of letters, digits, \".\", \"_\" and \"-\"";
  }
  if (name.front() == '.' || name.front() == '-')
    return "a name does not begin with \".\" or \"-\"";
  if (std::ranges::all_of(name, digit)) return "a name is not only digits: those are ids";
  if (name == "all") return "\"all\" means every service; choose another name";
  return {};
}

std::string FolderOf(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return (error ? std::filesystem::path("/") : absolute).lexically_normal().parent_path().string();
}

// OxMgr's default.
constexpr Millis kAppStopTimeout{5000};

constexpr std::size_t kMaxDefaultsBytes = std::size_t{64} * 1024;

// Says of every position below which file it is in. As deep as the document, which is bounded.
void SayFile(Table& table, std::uint32_t file);
void SayFile(Value& value, std::uint32_t file) {
  value.position.file = file;
  if (auto* items = std::get_if<Array>(&value.content)) {
    for (Value& item : *items) SayFile(item, file);
  }
  if (auto* table = std::get_if<Table>(&value.content)) SayFile(*table, file);
}
void SayFile(Table& table, std::uint32_t file) {
  for (Entry& entry : table.entries) {
    entry.position.file = file;
    SayFile(entry.value, file);
  }
}

// About what a value takes in memory. As deep as the document, which is bounded.
std::size_t TextBytes(const Value& value) {
  std::size_t bytes = sizeof(Value);
  if (const auto* text = value.As<std::string>()) bytes += text->size();
  if (const auto* items = value.As<Array>()) {
    for (const Value& item : *items) bytes += TextBytes(item);
  }
  if (const auto* table = value.As<Table>()) {
    for (const Entry& entry : table->entries) bytes += entry.key.size() + TextBytes(entry.value);
  }
  return bytes;
}

class FileReader {
 public:
  FileReader(std::string_view text, const std::string& path, const ReadOptions& options,
             const FileAccess& files)
      : path_(path),
        folder_(FolderOf(path)),
        options_(options),
        files_(files),
        env_files_(files),
        errors_(path, text),
        profiles_(options) {}

  ReadOutcome Run(const Table& document) {
    if (ChooseDialect(document, defaults_)) {
      ReadTop(document);
      if (const Entry* defaults = document.Find("defaults")) ReadDefaults(*defaults, defaults_);
      ReadServices(document, defaults_);
      for (const IncludedFile& file : included_) ReadIncluded(file);
      Finish(document);
    }
    if (!errors_.empty()) return std::unexpected(errors_.TakeErrors());
    result_.path = path_;
    result_.notes = errors_.TakeNotes();
    return std::move(result_);
  }

 private:
  [[nodiscard]] RuleContext context() {
    return {errors_, options_, files_, env_files_, environment_bytes_};
  }

  Place PlaceFor(std::string path, std::string prefix, Layer layer, Draft& draft) {
    return {std::move(path),    std::move(prefix), layer,    draft,
            result_.supervisor, errors_,           options_, *here_};
  }

  // The keys of a file's services, and its dialect's own defaults. False: it has both dialects.
  bool ChooseDialect(const Table& document, Draft& defaults) {
    const Entry* apps = document.Find("apps");
    section_ = apps == nullptr ? Section::kProcess : Section::kApp;
    if (apps == nullptr) return true;
    Policy& policy = defaults.spec.policy;
    if (defaults.Find("restart") == nullptr) policy.restart = RestartPolicy::kOnFailure;
    if (defaults.Find("stop_timeout_ms") == nullptr) policy.stop_timeout = kAppStopTimeout;
    if (document.Find("processes") == nullptr) return true;
    errors_.Add(apps->position, "apps",
                "[[apps]] and [processes.NAME] cannot stand in one file; keep [processes.NAME]");
    return false;
  }

  void Explain(Position position, std::string key, std::string message) {
    if (options_.explains_dialect) errors_.Note(position, std::move(key), std::move(message));
  }

  // The table of `entry`, or nothing and an error.
  const Table* TableOf(const Entry& entry, std::string_view path, std::string_view expected) {
    const auto* table = entry.value.As<Table>();
    if (table == nullptr) {
      errors_.Add(entry.value.position, std::string(path),
                  fmt::format("found {}, expected a table: {}", Describe(entry.value), expected));
    }
    return table;
  }

  void ReadTop(const Table& document) {
    defaults_.spec.source_file =
        (std::filesystem::path(folder_) / std::filesystem::path(path_).filename()).string();
    defaults_.spec.working_dir = folder_;
    result_.supervisor.file = defaults_.spec.source_file;
    for (const Entry& entry : document.entries) {
      const Key* key = FindKey(Section::kTop, entry.key);
      if (key == nullptr) {
        errors_.Add(entry.position, entry.key, ExplainUnknownKey(Section::kTop, entry.key, ""));
      } else if (key->read == nullptr) {
        errors_.Add(entry.position, entry.key,
                    fmt::format("\"{}\" is not supported yet; leave it out for now", entry.key));
      } else if (entry.key == "include") {
        if (files_.names_in) {
          included_ = FindIncluded(entry.value, path_, folder_, files_, errors_);
        }
      } else if (entry.key == "version") {
        const auto* version = entry.value.As<std::int64_t>();
        if (version == nullptr || *version != 1) {
          errors_.Add(entry.value.position, entry.key,
                      fmt::format("found {}, expected 1", Describe(entry.value)));
        }
      } else if (entry.key == "deploy") {
        Explain(entry.position, entry.key, "is OxMgr's, and left alone");
      } else if (entry.key == "supervisor" || entry.key == "logging") {
        const bool logging = entry.key == "logging";
        const Table* table = TableOf(entry, entry.key, fmt::format("[{}]", entry.key));
        if (table == nullptr) continue;
        ReadSection(
            logging ? Section::kLogging : Section::kSupervisor, *table,
            PlaceFor(entry.key, logging ? "logs." : "supervisor.", Layer::kInherited, defaults_));
      }
    }
  }

  // It has the Oxfile's defaults, its own come on top of them.
  void ReadIncluded(const IncludedFile& file) {
    auto document = ReadToml(file.text);
    if (!document) {
      for (TextProblem& problem : document.error()) {
        problem.position.file = file.number;
        errors_.Add(problem.position, "", std::move(problem.message));
      }
      return;
    }
    SayFile(*document, file.number);
    Draft defaults = defaults_;
    if (!ChooseDialect(*document, defaults)) return;
    for (const Entry& entry : document->entries) {
      if (entry.key == "processes" || entry.key == "apps" || entry.key == "defaults") continue;
      const bool known = FindKey(Section::kTop, entry.key) != nullptr;
      errors_.Add(entry.position, entry.key,
                  known ? fmt::format("stands only in the file that includes this one, {}", path_)
                        : ExplainUnknownKey(Section::kTop, entry.key, ""));
    }
    here_ = &file.folder;
    defaults.spec.included_from = file.absolute;
    if (defaults.Find("working_dir") == nullptr) defaults.spec.working_dir = file.folder;
    const std::size_t outer = defaults_tables_.size();
    if (const Entry* own = document->Find("defaults")) ReadDefaults(*own, defaults);
    ReadServices(*document, defaults);
    defaults_tables_.resize(outer);
    here_ = &folder_;
  }

  // What needs all services together.
  void Finish(const Table& document) {
    const bool may_be_empty = document.Find("include") != nullptr;
    if (drafts_.empty() && errors_.empty() && !may_be_empty) {
      errors_.Add({1, 1}, "",
                  document.Find("apps") != nullptr
                      ? "every app is disabled, so there is nothing to run"
                      : "defines no service; add [processes.api] with command = \"…\"");
    }
    for (Draft& draft : drafts_) {
      if (draft.app.is_app) FinishApp(draft, context());
      result_.specs.push_back(FinishService(draft, context()));
    }
    profiles_.CheckAsked(errors_);
    CheckServices(drafts_, context());
  }

  void ReadDefaults(const Entry& entry, Draft& into) {
    const Table* table = TableOf(entry, "defaults", "[defaults]");
    if (table == nullptr) return;
    defaults_tables_.push_back(table);
    if (TextBytes(entry.value) > kMaxDefaultsBytes) {
      errors_.Add(entry.position, "defaults",
                  fmt::format("more than {} KiB, which every service would repeat",
                              kMaxDefaultsBytes >> 10U));
      return;
    }
    ReadSection(section_, *table, PlaceFor("defaults", "", Layer::kInherited, into));
  }

  void ReadProcesses(const Table& document, const Draft& defaults) {
    const Entry* processes = document.Find("processes");
    const Table* table =
        processes == nullptr ? nullptr : TableOf(*processes, "processes", "[processes.NAME]");
    if (table == nullptr) return;
    if (drafts_.size() + table->entries.size() > kMaxServices) {
      errors_.Add(processes->position, "processes",
                  fmt::format("more than {} services", kMaxServices));
      return;
    }
    for (const Entry& entry : table->entries) ReadProcess(entry, defaults);
  }

  void ReadServices(const Table& document, const Draft& defaults) {
    if (const Entry* apps = document.Find("apps")) {
      ReadApps(*apps, defaults);
    } else {
      ReadProcesses(document, defaults);
    }
  }

  void ReadApps(const Entry& entry, const Draft& defaults) {
    const auto* apps = entry.value.As<Array>();
    if (apps == nullptr || apps->empty()) {
      errors_.Add(entry.value.position, "apps",
                  apps == nullptr ? fmt::format("found {}, expected [[apps]] with name and command",
                                                Describe(entry.value))
                                  : "defines no service; add [[apps]] with name and command");
      return;
    }
    if (drafts_.size() + apps->size() > kMaxServices) {
      errors_.Add(entry.position, "apps", fmt::format("more than {} services", kMaxServices));
      return;
    }
    for (const Value& app : *apps) ReadApp(app, defaults);
  }

  void ReadApp(const Value& app, const Draft& defaults) {
    const auto* table = app.As<Table>();
    if (table == nullptr) {
      errors_.Add(app.position, "apps", fmt::format("found {}, expected [[apps]]", Describe(app)));
      return;
    }
    const Entry* name = table->Find("name");
    const auto* text = name == nullptr ? nullptr : name->value.As<std::string>();
    if (text == nullptr) {
      errors_.Add(name == nullptr ? app.position : name->value.position, "apps",
                  name == nullptr ? "an app without a name; add name = \"api\""
                                  : fmt::format("name: found {}, expected a string in quotes",
                                                Describe(name->value)));
      return;
    }
    const std::string path = "apps." + *text;
    if (std::string problem = ExplainName(*text); !problem.empty()) {
      errors_.Add(name->value.position, path, std::move(problem));
      return;
    }
    if (!IsNew(*text, name->value.position, path)) return;
    Draft draft = NewDraft(defaults, *text, path, app.position);
    ReadKeys(*table, draft);
    if (!draft.app.disabled) {
      drafts_.push_back(std::move(draft));
    } else {
      Explain(app.position, path, "is disabled, and left out");
    }
  }

  [[nodiscard]] Draft NewDraft(const Draft& defaults, const std::string& name,
                               const std::string& path, Position position) const {
    Draft draft = defaults;
    draft.spec.name = name;
    draft.table = path;
    draft.position = position;
    draft.spec.source_line = position.line;
    draft.app.is_app = section_ == Section::kApp;
    return draft;
  }

  // Names are unique, also across files.
  bool IsNew(const std::string& name, Position position, const std::string& path) {
    const auto [known, is_new] = names_.emplace(name, position);
    if (is_new) return true;
    errors_.Add(position, path,
                fmt::format("{} defines \"{}\" already; rename one of them",
                            errors_.Where(known->second), name));
    return false;
  }

  void ReadProcess(const Entry& entry, const Draft& defaults) {
    const std::string path = "processes." + entry.key;
    const Table* table = TableOf(entry, path, fmt::format("[{}] with command = \"…\"", path));
    if (table == nullptr) return;
    if (std::string problem = ExplainName(entry.key); !problem.empty()) {
      errors_.Add(entry.position, path, std::move(problem));
      return;
    }
    if (!IsNew(entry.key, entry.position, path)) return;
    // `[processes.my.api]` is one name to its author.
    const bool dotted = std::ranges::all_of(table->entries, [](const Entry& below) {
      return below.value.As<Table>() != nullptr && FindKey(Section::kProcess, below.key) == nullptr;
    });
    Draft draft = NewDraft(defaults, entry.key, path, entry.position);
    ReadKeys(*table, draft);
    if (dotted && !table->entries.empty()) return;
    drafts_.push_back(std::move(draft));
  }

  // [defaults.profiles.NAME], the service's own keys, its [.profiles.NAME].
  void ReadKeys(const Table& table, Draft& draft) {
    const std::string chosen(profiles_.ChosenFor(draft.spec.name));
    bool has_it = false;
    for (const Table* defaults : defaults_tables_) {
      const Place place = PlaceFor("defaults", "", Layer::kInherited, draft);
      if (profiles_.Read(section_, *defaults, place, chosen)) has_it = true;
    }
    const Place place = PlaceFor(draft.table, "", Layer::kOwn, draft);
    ReadSection(section_, table, place);
    if (profiles_.Read(section_, table, place, chosen)) has_it = true;
    profiles_.Settle(draft, has_it, errors_);
  }

  const std::string& path_;
  const std::string folder_;
  const std::string* here_ = &folder_;  // of the file that is read now
  const ReadOptions& options_;
  const FileAccess& files_;
  EnvFiles env_files_;
  ErrorList errors_;
  Profiles profiles_;
  std::size_t environment_bytes_ = 0;
  Section section_ = Section::kProcess;  // the dialect
  Draft defaults_;
  std::deque<IncludedFile> included_;
  std::map<std::string, Position, std::less<>> names_;  // where each service is defined
  std::vector<const Table*> defaults_tables_;           // of the file that is read now
  std::vector<Draft> drafts_;
  Oxfile result_;
};

Result<std::vector<std::string>> NamesIn(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) return std::unexpected(Error{ErrnoText(error.value()), error.value()});
  return names;
}

}  // namespace

ReadOutcome ParseOxfile(std::string_view text, const std::string& path, const ReadOptions& options,
                        const FileAccess& files) {
  ErrorList errors(path, text);
  if (text.size() > kMaxConfigBytes) {
    errors.Add({}, "", fmt::format("is larger than {} MiB", kMaxConfigBytes >> 20U));
    return std::unexpected(errors.TakeErrors());
  }
  text = WithoutByteOrderMark(text);
  auto document = ReadToml(text);
  if (!document) {
    for (TextProblem& problem : document.error()) {
      errors.Add(problem.position, "", std::move(problem.message));
    }
    return std::unexpected(errors.TakeErrors());
  }
  return FileReader(text, path, options, files).Run(*document);
}

ReadOutcome ReadOxfile(const std::string& path, const ReadOptions& options) {
  auto text = ReadTextFile(path);
  if (!text) {
    return std::unexpected(
        std::vector{ConfigError{path, 0, 0, {}, std::move(text).error().message, {}}});
  }
  FileAccess files{.read = ReadTextFile,
                   .is_directory =
                       [](const std::string& directory) {
                         std::error_code error;
                         return std::filesystem::is_directory(directory, error);
                       },
                   .names_in = NamesIn};
  // Who may change the Oxfile itself could have written all of it there.
  if (::geteuid() == 0 && WhyUnsafeForRoot(path).empty()) files.why_unsafe = WhyUnsafeForRoot;
  return ParseOxfile(*text, path, options, files);
}

}  // namespace oxherd
