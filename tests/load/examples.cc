#include "tests/load/examples.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <optional>
#include <sstream>

#include "tests/load/proof.h"
#include "tests/temporary.h"

extern char** environ;

namespace oxherd::load {
namespace {

namespace fs = std::filesystem;

e2e::Invocation WithOurEnvironment(const std::vector<std::string>& words, const fs::path& folder) {
  e2e::Invocation invocation{{"/usr/bin/env"}, folder.string(), {}, [] {}};
  invocation.words.insert(invocation.words.end(), words.begin(), words.end());
  for (char** variable = environ; *variable != nullptr; ++variable) {
    invocation.environment.emplace_back(*variable);
  }
  return invocation;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Debian keeps PostgreSQL's programs off the PATH.
std::optional<fs::path> PostgreSqlPrograms() {
  std::error_code error;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", error)) {
    if (fs::exists(version.path() / "bin/initdb")) {
      return version.path() / "bin";
    }
  }
  MESSAGE("skipped: no PostgreSQL in /usr/lib/postgresql");
  return std::nullopt;
}

}  // namespace

void InstallExample(const e2e::Home& home, const std::string& name, const std::string& ports) {
  home.CopyFromSource("examples/" + name);
  for (const char* file : {"Oxfile.toml", "nginx.conf"}) {
    if (!fs::exists(home.folder() / file)) {
      continue;
    }
    std::string text = home.Read(file);
    for (std::size_t at = 0; (at = text.find(ports, at)) != std::string::npos; ++at) {
      const std::size_t end = at + ports.size() + 2;
      const std::string digits = text.substr(at + ports.size(), 2);
      if (!IsDigit(text[at - 1]) && digits[0] == '0' && IsDigit(digits[1]) &&
          (end >= text.size() || !IsDigit(text[end]))) {
        text.replace(at, ports.size() + 2, std::to_string(home.port(digits[1] - '0')));
      }
    }
    home.Write(file, text);
  }
}

bool InstallPackages(const e2e::Home& home) {
  if (!Has("npm")) {
    return false;
  }
  e2e::Command install(WithOurEnvironment(
      {"/bin/sh", "-c", "npm ci --no-audit --no-fund --prefer-offline"}, home.folder()));
  const e2e::Outcome installed = install.Wait(seconds(120));
  REQUIRE_MESSAGE(installed.exit_code == 0, "npm ci said: " << installed.all());
  return true;
}

std::string Output(const std::vector<std::string>& words, const fs::path& folder) {
  e2e::Command command(WithOurEnvironment(words, folder));
  const e2e::Outcome outcome = command.Wait(seconds(60));
  REQUIRE_MESSAGE(outcome.exit_code == 0, words[0] << " said: " << outcome.all());
  return outcome.out;
}

PostgreSql::PostgreSql(fs::path programs, std::uint16_t port)
    : programs_(std::move(programs)), folder_(test::MakeTemporaryFolder("load")), port_(port) {}

// It refuses to run as root.
std::vector<std::string> PostgreSql::AsOwner(std::vector<std::string> words) const {
  words[0] = (programs_ / words[0]).string();
  if (geteuid() == 0) {
    words.insert(words.begin(), {"runuser", "-u", "postgres", "--"});
  }
  return words;
}

std::unique_ptr<PostgreSql> PostgreSql::Start(std::uint16_t port) {
  const auto programs = PostgreSqlPrograms();
  if (!programs) {
    return nullptr;
  }
  std::unique_ptr<PostgreSql> database(new PostgreSql(*programs, port));
  const fs::path& folder = database->folder_;
  if (geteuid() == 0) {
    Output({"chown", "postgres", folder.string()}, "/");
  }
  Output(database->AsOwner({"initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D",
                            (folder / "data").string()}),
         folder);
  Output(database->AsOwner({"pg_ctl", "-D", (folder / "data").string(), "-w", "-l",
                            (folder / "log").string(), "-o",
                            "-c fsync=off -c listen_addresses=127.0.0.1 -c port=" +
                                std::to_string(port) + " -k " + folder.string(),
                            "start"}),
         folder);
  return database;
}

PostgreSql::~PostgreSql() {
  try {
    Output(AsOwner({"pg_ctl", "-D", (folder_ / "data").string(), "-m", "immediate", "stop"}),
           folder_);
  } catch (...) {
    MESSAGE("PostgreSQL was not stopped; see above");
  }
  std::error_code error;
  fs::remove_all(folder_, error);
}

std::string PostgreSql::Ask(const std::string& query) const {
  return Output({(programs_ / "psql").string(), "-h", "127.0.0.1", "-p", std::to_string(port_),
                 "-U", "postgres", "-Atqc", query},
                folder_);
}

std::string PostgreSql::Log() const {
  std::ifstream file(folder_ / "log");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Redis::Redis(fs::path folder, std::uint16_t port) : folder_(std::move(folder)), port_(port) {
  server_ = std::make_unique<e2e::Command>(
      WithOurEnvironment({"redis-server", "--bind", "127.0.0.1", "--port", std::to_string(port),
                          "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"},
                         folder_));
  server_->ReadUntil("eady to accept connections");
}

std::unique_ptr<Redis> Redis::Start(std::uint16_t port) {
  if (!Has("redis-server") || !Has("redis-cli")) {
    return nullptr;
  }
  return std::unique_ptr<Redis>(new Redis(test::MakeTemporaryFolder("load"), port));
}

Redis::~Redis() {
  server_->Signal(SIGTERM);
  server_->Wait();
  std::error_code error;
  fs::remove_all(folder_, error);
}

std::string Redis::Ask(const std::vector<std::string>& command) const {
  std::vector<std::string> words{"redis-cli", "-p", std::to_string(port_)};
  words.insert(words.end(), command.begin(), command.end());
  return Output(words, folder_);
}

}  // namespace oxherd::load
