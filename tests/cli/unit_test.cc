// What `oxherd service install` writes and `oxherd completion` prints.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "cli/command_line/completion.h"
#include "cli/command_line/verbs.h"
#include "cli/commands/service.h"
#include "os/captured_program.h"

namespace oxherd::cli {
namespace {

TEST_CASE("every unit names the programs where they are, and nothing is left to be filled in") {
  for (const UnitKind kind : {UnitKind::kSystem, UnitKind::kOfUser, UnitKind::kUser}) {
    const std::string text = UnitText(kind, "/opt/ox/bin/oxherd", "/opt/ox/lib/oxherd");
    CHECK(text.contains("ExecStart=/opt/ox/bin/oxherd daemon run\n"));
    CHECK(text.contains("ExecStopPost=/opt/ox/lib/oxherd/empty-cgroup /opt/ox/bin/oxherd\n"));
    CHECK_FALSE(text.contains("@OXHERD@"));
    CHECK_FALSE(text.contains("@LIBDIR@"));
  }
}

TEST_CASE("every unit outlives its daemon, and is watched") {
  for (const UnitKind kind : {UnitKind::kSystem, UnitKind::kOfUser, UnitKind::kUser}) {
    const std::string text = UnitText(kind, "/o", "/l");
    for (const char* line :
         {"Type=notify", "NotifyAccess=main", "WatchdogSec=30", "KillMode=process", "Delegate=yes",
          "OOMPolicy=continue", "Restart=on-failure", "ExecReload=/bin/kill -HUP $MAINPID"}) {
      CHECK_MESSAGE(text.contains("\n" + std::string(line) + "\n"), line);
    }
  }
}

TEST_CASE("what no enabled unit would start is known not to come back after a reboot") {
  namespace fs = std::filesystem;
  std::string root = "/tmp/oxherd-units-XXXXXX";
  REQUIRE(::mkdtemp(root.data()) != nullptr);
  const auto make = [&](const std::string& path) {
    fs::create_directories(root + path.substr(0, path.rfind('/')));
    fs::create_symlink("/nowhere", root + path);
  };
  const Places machine = PlacesFor(0, "/root", "", "/");
  const Places ann = PlacesFor(1000, "/home/ann", "", "/");
  const Places elsewhere = PlacesFor(1000, "/home/ann", "/srv/x", "/");
  CHECK(ComesBack(machine, "root", root));  // no systemd here
  make("/run/systemd/system");
  CHECK_FALSE(ComesBack(machine, "root", root));
  CHECK_FALSE(ComesBack(ann, "ann", root));
  CHECK(ComesBack(elsewhere, "ann", root));
  make("/etc/systemd/system/multi-user.target.wants/oxherd@ann.service");
  CHECK(ComesBack(ann, "ann", root));
  CHECK_FALSE(ComesBack(ann, "bob", root));
  make("/home/ann/.config/systemd/user/default.target.wants/oxherd.service");
  CHECK(ComesBack(ann, "bob", root));
  CHECK_FALSE(ComesBack(machine, "root", root));
  make("/etc/systemd/system/multi-user.target.wants/oxherd.service");
  CHECK(ComesBack(machine, "root", root));
  fs::remove_all(root);
}

TEST_CASE("the completion of each shell knows every verb") {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const auto script = CompletionScript(shell);
    REQUIRE(script.has_value());
    for (const VerbEntry& entry : Verbs()) {
      CHECK_MESSAGE(script->contains(std::string(entry.name)), shell << ": " << entry.name);
    }
  }
  CHECK_FALSE(CompletionScript("csh").has_value());
}

// The words that bash would offer after these.
std::string Offered(const std::string& words, int at) {
  const auto done = os::RunCommand({"bash", "-c",
                                    *CompletionScript("bash") + "\nCOMP_WORDS=(" + words +
                                        "); COMP_CWORD=" + std::to_string(at) +
                                        "; _oxherd; echo \"${COMPREPLY[*]}\""});
  REQUIRE(done.has_value());
  CHECK(done->ok());
  return done->output;
}

TEST_CASE("bash completes verbs, their second words and their options") {
  CHECK(Offered("oxherd rel", 1) == "reload");
  CHECK(Offered("oxherd daemon st", 2) == "start stop status");
  CHECK(Offered("oxherd service ''", 2) == "install uninstall status");
  CHECK(Offered("oxherd reload --par", 2) == "--parallel");
  CHECK(Offered("oxherd rl --par", 2) == "--parallel");
}

}  // namespace
}  // namespace oxherd::cli
