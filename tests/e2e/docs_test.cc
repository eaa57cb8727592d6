// The pages: every command that they show is typed here, in a home of its own.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/e2e/document.h"
#include "tests/e2e/home.h"

namespace oxherd::e2e {
namespace {

TEST_SUITE_BEGIN("docs");

namespace fs = std::filesystem;

// The ports that the pages write, and which of the home's free ones stand for them here.
constexpr std::string_view kPorts[] = {"3000", "8000", "9615", "4200"};

std::string WithFreePorts(const Home& home, std::string text) {
  for (int i = 0; i < static_cast<int>(std::size(kPorts)); ++i) {
    const std::string free = std::to_string(home.port(i));
    for (std::size_t at = 0; (at = text.find(kPorts[i], at)) != text.npos; at += free.size()) {
      text.replace(at, kPorts[i].size(), free);
    }
  }
  return text;
}

std::string TextOf(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What was typed before in this folder is over.
void TakeFolder(const Home& home, const std::string& name) {
  static_cast<void>(home.Run({"delete", "all"}));
  for (const auto& entry : fs::directory_iterator(home.folder())) fs::remove_all(entry.path());
  home.CopyFromSource(name);
  for (const auto& entry : fs::recursive_directory_iterator(home.folder())) {
    if (!entry.is_regular_file()) continue;
    const std::string text = WithFreePorts(home, TextOf(entry.path()));
    std::ofstream(entry.path()) << text;
  }
}

// The commands of one block in one shell, as somebody types them: `export` lasts, each has its
// output and its exit code.
std::string ScriptOf(const Home& home, const DocumentStep& step) {
  std::string script;
  for (std::size_t i = 0; i < step.commands.size(); ++i) {
    const std::string number = std::to_string(i);
    script += "{ " + WithFreePorts(home, step.commands[i].text) + "\n} > out." + number +
              " 2>&1; echo $? > code." + number + "\n";
  }
  return script;
}

void RunInShell(const Home& home, const std::string& script) {
  Invocation shell = home.Typed({});
  shell.words = {"/bin/bash", "-c", script};
  static_cast<void>(Command(shell).Wait(seconds(60) * kPatience));
}

// What the pages show is in /srv/shop.
std::string Here(const Home& home, std::string shown) {
  constexpr std::string_view kThere = "/srv/shop";
  for (std::size_t at = 0; (at = shown.find(kThere, at)) != shown.npos;) {
    shown.replace(at, kThere.size(), home.folder().string());
  }
  return shown;
}

void RunBlock(const Home& home, const std::string& page, const DocumentStep& step) {
  RunInShell(home, ScriptOf(home, step));
  for (std::size_t i = 0; i < step.commands.size(); ++i) {
    const std::string number = std::to_string(i);
    const std::string printed = home.Read("out." + number);
    INFO(page << ":" << step.line << ": $ " << step.commands[i].text << "\n" << printed);
    const int expected = i + 1 == step.commands.size() ? step.exit_code : 0;
    CHECK(home.Read("code." + number) == std::to_string(expected) + "\n");
    for (const std::string& word : WordsMissing(Here(home, step.commands[i].shown), printed)) {
      FAIL_CHECK("the page shows \"" << word << "\", which it did not print");
    }
  }
}

void RunPage(const std::string& page) {
  Home home;
  home.SetEnvironment("PATH", ProgramFolder().string() + ":/usr/bin:/bin");
  home.SetEnvironment("PM2_HOME", home.folder().string());
  home.SetEnvironment("TZ", "UTC");
  std::size_t run = 0;
  for (const DocumentStep& step : ReadDocument(TextOf(fs::path(OXHERD_SOURCE_DIR) / page))) {
    switch (step.kind) {
      case DocumentStep::Kind::kFolder:
        TakeFolder(home, step.text);
        break;
      case DocumentStep::Kind::kHidden:
        RunInShell(home, WithFreePorts(home, step.text));
        break;
      case DocumentStep::Kind::kBlock:
        RunBlock(home, page, step);
        run += step.commands.size();
        break;
      case DocumentStep::Kind::kNotRun:
        MESSAGE(page << ":" << step.line << " not run: " << step.text);
        break;
    }
  }
  CHECK(run > 0);
}

bool HasNode() { return fs::exists("/usr/bin/node"); }

TEST_CASE("what the README shows is what happens") {
  if (!HasNode()) {
    MESSAGE("skipped: no node (apt-get install nodejs)");
    return;
  }
  RunPage("README.md");
}

TEST_CASE("what the page for PM2's users shows is what happens") {
  if (!HasNode()) {
    MESSAGE("skipped: no node (apt-get install nodejs)");
    return;
  }
  RunPage("examples/pm2/README.md");
}

TEST_CASE("what the page for OxMgr's users shows is what happens") {
  if (!HasNode()) {
    MESSAGE("skipped: no node (apt-get install nodejs)");
    return;
  }
  RunPage("examples/oxmgr-apps/README.md");
}

TEST_CASE("what the page of examples shows is what happens") {
  if (!fs::exists("/usr/bin/python3") || !fs::exists("/usr/bin/curl")) {
    MESSAGE("skipped: no python3, or no curl");
    return;
  }
  RunPage("examples/README.md");
}

TEST_CASE("what the page of troubles shows is what happens") {
  if (!fs::exists("/usr/bin/python3")) {
    MESSAGE("skipped: no python3");
    return;
  }
  RunPage("packaging/TROUBLESHOOTING.md");
}

TEST_CASE("no other page shows commands that nobody has run") {
  const std::set<std::string> run = {"README.md", "examples/README.md", "examples/pm2/README.md",
                                     "examples/oxmgr-apps/README.md",
                                     "packaging/TROUBLESHOOTING.md"};
  for (const auto& entry : fs::recursive_directory_iterator(OXHERD_SOURCE_DIR)) {
    const std::string page = entry.path().lexically_relative(OXHERD_SOURCE_DIR).string();
    const bool is_ours = !page.starts_with("build") && !page.contains("node_modules");
    if (!is_ours || entry.path().extension() != ".md" || run.contains(page)) continue;
    CAPTURE(page);
    for (const DocumentStep& step : ReadDocument(TextOf(entry.path()))) {
      CHECK(step.kind == DocumentStep::Kind::kNotRun);
    }
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::e2e
