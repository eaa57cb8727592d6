#include "tests/load/proof.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace oxherd::load {

namespace fs = std::filesystem;

bool IsLong() {
  const char* form = std::getenv("OXHERD_LOAD");
  return form != nullptr && std::string_view(form) == "long";
}

int ShortOrLong(int short_form, int long_form) { return IsLong() ? long_form : short_form; }

void WriteService(const e2e::Home& home, std::string_view lines) {
  home.CopyFromSource("tests/load/servers");
  home.Write("nginx.conf", home.Read("nginx.conf"));  // with its port
  home.Oxfile("[processes.api]\n" + std::string(lines));
}

std::string Serving(std::string_view command, int instances, std::string_view more,
                    std::string_view listen) {
  return "command = '" + std::string(command) + "'\nlisten = \"" + std::string(listen) +
         "\"\ninstances = " + std::to_string(instances) + "\n" +
         (more.contains("min_uptime_ms") ? "" : "min_uptime_ms = 150\n") + std::string(more);
}

std::string CServer() { return OXHERD_BINARY_DIR "/programs/textbook_server"; }

bool Has(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access(folder.append("/").append(program).c_str(), X_OK) == 0) {
      return true;
    }
  }
  MESSAGE("skipped: no " << program << " on the PATH");
  return false;
}

Plan Fresh(const e2e::Home& home) {
  Plan plan;
  plan.port = home.port();
  plan.connections = IsLong() ? 32 : 16;
  return plan;
}

void WaitForAnswers(const Load& load, const Plan& plan) {
  // Those in flight may be the old one's; one more than there are clients is none of them.
  const std::uint64_t enough = load.ok() + load.failed() + plan.connections + 1;
  e2e::WaitUntil(
      "answers to requests that began just now",
      [&] { return load.ok() + load.failed() >= enough; }, seconds(30));
}

Counts ReloadUnder(const e2e::Home& home, const Plan& plan, int times) {
  Load load(plan);
  WaitForAnswers(load, plan);
  for (int i = 0; i < times; ++i) {
    home.MustRun({"reload", "api"}, seconds(60));
    WaitForAnswers(load, plan);
  }
  Counts counts = load.Finish();
  MESSAGE(times << " reloads: " << counts.Told());
  CheckNothingFailed(home, counts);
  return counts;
}

void CheckNothingFailed(const e2e::Home& home, const Counts& counts) {
  CHECK(counts.ok > 0);
  CHECK_MESSAGE(counts.failed == 0, counts.Told() << "\ndaemon.log:\n" << DaemonLog(home));
}

std::string DaemonLog(const e2e::Home& home, std::size_t bytes) {
  for (const auto& entry : fs::recursive_directory_iterator(home.state_folder())) {
    if (entry.path().filename() == "daemon.log") {
      std::ifstream file(entry.path());
      std::ostringstream text;
      text << file.rdbuf();
      const std::string all = text.str();
      return all.substr(all.size() > bytes ? all.size() - bytes : 0);
    }
  }
  return "none";
}

}  // namespace oxherd::load
