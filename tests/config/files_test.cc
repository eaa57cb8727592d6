#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "config/find_oxfile.h"
#include "config/freeze.h"
#include "config/oxfile.h"
#include "config/text_file.h"
#include "doctest/doctest.h"
#include "tests/temporary.h"

namespace oxherd {
namespace {

namespace fs = std::filesystem;

// A folder of its own, gone with the test.
class Folder {
 public:
  Folder() { path_ = test::MakeTemporaryFolder("config"); }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string At(const std::string& name) const { return (path_ / name).string(); }

  std::string Write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return At(name);
  }

  std::string WriteProgram(const std::string& name) const {
    const std::string path = Write(name, "#!/bin/sh\n");
    fs::permissions(path, fs::perms::owner_all);
    return path;
  }

  void Link(const std::string& target, const std::string& name) const {
    fs::create_directories((path_ / name).parent_path());
    fs::create_symlink(target, path_ / name);
  }

 private:
  fs::path path_;
};

std::string ReadError(const std::string& path) {
  const auto outcome = ReadOxfile(path, {});
  REQUIRE_FALSE(outcome.has_value());
  return Render(outcome.error());
}

TEST_CASE("an Oxfile on disk is read with the env file beside it") {
  const Folder folder;
  const std::string path =
      folder.Write("Oxfile.toml", "[processes.api]\ncommand = \"x\"\nenv_file = \".env\"\n");
  folder.Write(".env", "A=1\n");
  const auto outcome = ReadOxfile(path, {});
  REQUIRE(outcome.has_value());
  CHECK(outcome->specs[0].env == std::vector<EnvEntry>{{"A", "1"}});
  CHECK(outcome->specs[0].source_file == path);
  CHECK(outcome->specs[0].working_dir == fs::path(path).parent_path());
  CHECK(outcome->notes.empty());
}

TEST_CASE("what is no file gives one clear error, and a FIFO is not waited for") {
  const Folder folder;
  CHECK(ReadError(folder.At("none")) == folder.At("none") + ": No such file or directory\n");
  fs::create_directory(folder.At("dir"));
  CHECK(ReadError(folder.At("dir")) == folder.At("dir") + ": is a directory, not a file\n");
  REQUIRE(mkfifo(folder.At("fifo").c_str(), 0600) == 0);
  CHECK(ReadError(folder.At("fifo")) == folder.At("fifo") + ": is a FIFO, not a regular file\n");
  CHECK(ReadError("/dev/zero") == "/dev/zero: is not a regular file\n");
}

TEST_CASE("a huge file gives one clear error") {
  const Folder folder;
  const std::string path = folder.Write("big", std::string(kMaxConfigBytes + 1, '#'));
  CHECK(ReadError(path) == path + ": is larger than 4 MiB; this is no configuration\n");
}

TEST_CASE("a file that may not be read says so") {
  if (geteuid() == 0) {
    MESSAGE("skipped: root may read everything");
    return;
  }
  const Folder folder;
  const std::string path = folder.Write("secret", "");
  fs::permissions(path, fs::perms::none);
  CHECK(ReadError(path) == path + ": Permission denied\n");
}

// A file system for FindOxfile: path -> facts.
struct Disk {
  std::map<std::string, FileFacts> files;

  [[nodiscard]] std::string Find(OxfileSearch search) const {
    search.look = [this](const std::string& path) -> std::optional<FileFacts> {
      const auto found = files.find(path);
      if (found == files.end()) return std::nullopt;
      return found->second;
    };
    const auto result = FindOxfile(search);
    if (!result) return "error: " + result.error().message;
    if (!*result) return "none";
    return (*result)->path + ((*result)->note.empty() ? "" : " (" + (*result)->note + ")");
  }
};

OxfileSearch SearchAs(uid_t uid) {
  return {.named = {}, .folder = "/srv/app", .home = "/home/ann", .uid = uid, .look = {}};
}

TEST_CASE("the Oxfile is the one named, else the one here, else the one at home") {
  Disk disk;
  CHECK(disk.Find(SearchAs(1000)) == "none");
  disk.files["/etc/oxherd/Oxfile.toml"] = {};
  CHECK(disk.Find(SearchAs(1000)) == "none");
  disk.files["/home/ann/.config/oxherd/Oxfile.toml"] = {};
  CHECK(disk.Find(SearchAs(1000)) == "/home/ann/.config/oxherd/Oxfile.toml");
  disk.files["/srv/app/oxfile.toml"] = {.inode = 1};
  CHECK(disk.Find(SearchAs(1000)) == "/srv/app/oxfile.toml");
  disk.files["/srv/app/Oxfile.toml"] = {.inode = 2};
  CHECK(disk.Find(SearchAs(1000)) ==
        "/srv/app/Oxfile.toml (oxfile.toml is there too and was not read)");
  disk.files["/srv/app/oxfile.toml"].inode = 2;
  CHECK(disk.Find(SearchAs(1000)) == "/srv/app/Oxfile.toml");
  disk.files["/srv/other.toml"] = {};
  OxfileSearch named = SearchAs(1000);
  named.named = "../other.toml";
  CHECK(disk.Find(named) == "/srv/other.toml");
  named.named = "/nope";
  CHECK(disk.Find(named) == "error: there is no \"/nope\"; -c names the Oxfile to read");
}

TEST_CASE("root reads only what nobody else may change, unless it is named") {
  Disk disk;
  disk.files["/etc/oxherd"] = {.owner = 0, .permissions = 0755, .is_directory = true};
  disk.files["/etc/oxherd/Oxfile.toml"] = {.owner = 0, .permissions = 0644};
  disk.files["/home/ann/.config/oxherd/Oxfile.toml"] = {};
  CHECK(disk.Find(SearchAs(0)) == "/etc/oxherd/Oxfile.toml");

  disk.files["/srv/app"] = {.owner = 0, .permissions = 0755, .is_directory = true};
  disk.files["/srv/app/Oxfile.toml"] = {.owner = 0, .permissions = 0644};
  CHECK(disk.Find(SearchAs(0)) == "/srv/app/Oxfile.toml");

  disk.files["/srv/app/Oxfile.toml"].owner = 1000;
  CHECK(disk.Find(SearchAs(0)) ==
        "error: \"/srv/app/Oxfile.toml\" belongs to user id 1000: root reads "
        "\"/srv/app/Oxfile.toml\" only when it is named; write -c /srv/app/Oxfile.toml");
  disk.files["/srv/app/Oxfile.toml"] = {.owner = 0, .permissions = 0664};
  CHECK(disk.Find(SearchAs(0))
            .starts_with("error: \"/srv/app/Oxfile.toml\" can be written by others"));
  disk.files["/srv/app/Oxfile.toml"].permissions = 0644;
  disk.files["/srv/app"].permissions = 01777;
  CHECK(disk.Find(SearchAs(0)).starts_with("error: \"/srv/app\" can be written by others"));

  OxfileSearch named = SearchAs(0);
  named.named = "Oxfile.toml";
  CHECK(disk.Find(named) == "/srv/app/Oxfile.toml");
}

TEST_CASE("the real file system is asked where no other is given") {
  const Folder folder;
  OxfileSearch search = SearchAs(1000);
  search.folder = folder.At("");
  search.folder.pop_back();
  folder.Write("oxfile.toml", "");
  const auto found = FindOxfile(search);
  REQUIRE(found.has_value());
  REQUIRE(found->has_value());
  CHECK((*found)->path == folder.At("oxfile.toml"));
}

// A deployment: releases, and a link `current` to one of them.
struct Deployment {
  Folder folder;
  Spec spec;

  Deployment() {
    folder.WriteProgram("releases/7/bin/server");
    folder.WriteProgram("releases/8/bin/server");
    folder.WriteProgram("system/python3");
    folder.Link("releases/7", "current");
    spec.name = "api";
    spec.source_file = folder.At("Oxfile.toml");
    spec.working_dir = folder.At("current");
    spec.command.argv = {"bin/server"};
  }

  [[nodiscard]] Spec Frozen() const {
    const std::vector<EnvEntry> base = {{"PATH", "/nowhere::" + folder.At("system")}};
    auto frozen = Freeze(spec, base);
    if (!frozen) FAIL(frozen.error().message);
    return *frozen;
  }
};

TEST_CASE("a frozen spec stays in its release when the link moves on") {
  Deployment deployment;
  const Spec frozen = deployment.Frozen();
  CHECK(frozen.working_dir == deployment.folder.At("releases/7"));
  CHECK(frozen.program == deployment.folder.At("releases/7/bin/server"));
  CHECK(frozen.command == deployment.spec.command);
  fs::remove(deployment.folder.At("current"));
  deployment.folder.Link("releases/8", "current");
  CHECK(deployment.Frozen().program == deployment.folder.At("releases/8/bin/server"));
}

TEST_CASE("a program's own link is followed inside the deployment and kept where it leads out") {
  Deployment deployment;
  deployment.spec.working_dir = deployment.folder.At("");
  deployment.folder.Link("../releases/7/bin/server", "bin/server");
  CHECK(deployment.Frozen().program == deployment.folder.At("releases/7/bin/server"));

  deployment.spec.source_file = deployment.folder.At("releases/7/Oxfile.toml");
  deployment.spec.working_dir = deployment.folder.At("releases/7");
  deployment.folder.Link(deployment.folder.At("system/python3"), "releases/7/venv/bin/python");
  deployment.spec.command.argv = {"venv/bin/python"};
  CHECK(deployment.Frozen().program == deployment.folder.At("releases/7/venv/bin/python"));
}

TEST_CASE("a program without a slash is the first executable on the instance's PATH") {
  Deployment deployment;
  deployment.spec.command.argv = {"python3"};
  CHECK(deployment.Frozen().program == deployment.folder.At("system/python3"));
  deployment.spec.env = {{"PATH", "/nowhere"}};
  CHECK(deployment.Frozen().program.empty());
}

TEST_CASE("what does not exist is left for the start to report") {
  Deployment deployment;
  deployment.spec.working_dir = deployment.folder.At("gone");
  const Spec frozen = deployment.Frozen();
  CHECK(frozen.working_dir == deployment.folder.At("gone"));
  CHECK(frozen.program.empty());
}

TEST_CASE("freezing fails where the environment cannot be built") {
  Deployment deployment;
  deployment.spec.env = {{"A", "${NOPE}"}};
  const auto frozen = Freeze(deployment.spec, {});
  REQUIRE_FALSE(frozen.has_value());
  CHECK(frozen.error().message == "env.A: ${NOPE} is not set");
}

}  // namespace
}  // namespace oxherd
