// The examples, installed where a test can run them, and the databases that they need.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/home.h"

namespace oxherd::load {

// Copies examples/NAME into home.folder(); every port number that begins with `ports` (44: 4400,
// 4401, …) becomes a free one with the same last digit.
void InstallExample(const e2e::Home& home, const std::string& name, const std::string& ports);

// `npm ci` in home.folder(); blocks for seconds. False, with a message, where there is no npm.
bool InstallPackages(const e2e::Home& home);

// Runs a program with our environment and returns what it printed; the test fails unless it ends
// well.
std::string Output(const std::vector<std::string>& words, const std::filesystem::path& folder);

// A PostgreSQL of this test alone, on a port of 127.0.0.1, in a folder of its own.
class PostgreSql {
 public:
  // Nothing, with a message, where it is not installed.
  static std::unique_ptr<PostgreSql> Start(std::uint16_t port);
  PostgreSql(const PostgreSql&) = delete;
  PostgreSql& operator=(const PostgreSql&) = delete;
  ~PostgreSql();

  // The rows of a query, a line each.
  [[nodiscard]] std::string Ask(const std::string& query) const;
  // What it has complained of.
  [[nodiscard]] std::string Log() const;

 private:
  PostgreSql(std::filesystem::path programs, std::uint16_t port);
  [[nodiscard]] std::vector<std::string> AsOwner(std::vector<std::string> words) const;

  std::filesystem::path programs_;
  std::filesystem::path folder_;
  std::uint16_t port_;
};

// A Redis of this test alone.
class Redis {
 public:
  static std::unique_ptr<Redis> Start(std::uint16_t port);
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;
  ~Redis();

  // What redis-cli prints.
  [[nodiscard]] std::string Ask(const std::vector<std::string>& command) const;

 private:
  Redis(std::filesystem::path folder, std::uint16_t port);

  std::filesystem::path folder_;
  std::uint16_t port_;
  std::unique_ptr<e2e::Command> server_;
};

}  // namespace oxherd::load
