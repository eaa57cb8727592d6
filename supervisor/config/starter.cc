#include "config/starter.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/command.h"
#include "config/json_reader.h"
#include "config/procfile.h"
#include "config/toml_text.h"
#include "core/spec.h"

namespace oxherd {

namespace {

constexpr std::string_view kHead =
    "# oxherd validate says what is wrong with this file, oxherd start brings it up,\n"
    "# oxherd reload deploys.\n";

constexpr std::string_view kForServers =
    "# listen = 3000                 # the supervisor owns the port: a reload loses nothing\n"
    "# instances = 2\n"
    "# stop_timeout_ms = 30000       # then SIGKILL, to the whole tree\n"
    "# env_file = \".env\"\n"
    "# health_check = { endpoint = \"http://127.0.0.1:3000/health\" }\n";

std::string Service(const std::string& name, const std::string& command, std::string_view rest) {
  return fmt::format("\n[processes.{}]\ncommand = {}\n{}", TomlKey(name), TomlString(command),
                     rest);
}

// ---- package.json. ----

std::string TextAt(const Table& table, std::string_view key) {
  const Entry* entry = table.Find(key);
  const auto* text = entry == nullptr ? nullptr : entry->value.As<std::string>();
  return text == nullptr ? std::string() : *text;
}

// What starts it, without npm in between where that can be: npm hands signals on late or not at
// all.
std::string NodeCommand(const Table& package, const FolderView& folder) {
  const Entry* scripts = package.Find("scripts");
  const auto* table = scripts == nullptr ? nullptr : scripts->value.As<Table>();
  std::string start = table == nullptr ? std::string() : TextAt(*table, "start");
  const auto parsed = ParseCommand(start);
  if (start.starts_with("node ") && parsed && !parsed->through_shell) return start;
  if (!start.empty()) return "npm start";
  if (const std::string main = TextAt(package, "main"); !main.empty()) return "node " + main;
  for (const char* file : {"server.js", "index.js", "app.js", "dist/server.js"}) {
    if (folder.has(file)) return std::string("node ") + file;
  }
  return {};
}

std::string FromPackage(const std::string& text, const FolderView& folder) {
  const auto json = ReadJson(text);
  const auto* package = json ? json->As<Table>() : nullptr;
  if (package == nullptr) return {};
  const std::string command = NodeCommand(*package, folder);
  if (command.empty()) return {};
  const std::string name = TextAt(*package, "name");
  return Service(ServiceNameFrom(name.empty() ? folder.name : name), command, kForServers);
}

// ---- Django. ----

std::string FromDjango(const FolderView& folder) {
  const std::string project = folder.folder_with("wsgi.py");
  const std::string name = ServiceNameFrom(folder.name);
  if (project.empty()) {
    return Service(name, "python3 manage.py runserver --noreload 127.0.0.1:8000",
                   "# for production: command = \"gunicorn PROJECT.wsgi --bind 0.0.0.0:8000\"\n");
  }
  return Service(name, fmt::format("gunicorn {}.wsgi --bind 0.0.0.0:8000", project),
                 "listen = 8000                   # the supervisor owns the port\n"
                 "kill_mode = \"mixed\"             # gunicorn stops its workers itself\n"
                 "depends_on = [\"migrate\"]\n") +
         Service("migrate", "python3 manage.py migrate --noinput", "type = \"oneshot\"\n");
}

}  // namespace

Starter MakeStarter(const FolderView& folder) {
  std::string services;
  std::string found;
  if (const auto procfile = folder.read("Procfile")) {
    // Behind its first line, which is the head's.
    const std::string made = OxfileFromProcfile(*procfile, {.name = "Procfile"}).text;
    services = made.substr(std::min(made.find('\n'), made.size() - 1) + 1);
    found = "Procfile";
  }
  if (services.empty()) {
    if (const auto package = folder.read("package.json")) {
      services = FromPackage(*package, folder);
      found = "package.json";
    }
  }
  if (services.empty() && folder.has("manage.py")) {
    services = FromDjango(folder);
    found = "manage.py";
  }
  if (services.empty()) {
    found.clear();
    services = Service("api", "node server.js", kForServers);
  }
  return {std::string(kHead) + services, std::move(found)};
}

}  // namespace oxherd
