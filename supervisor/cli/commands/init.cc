// `oxherd init`: a first Oxfile for the folder in which it is typed.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/commands/commands.h"
#include "config/starter.h"
#include "config/text_file.h"

namespace oxherd::cli {
namespace {

namespace fs = std::filesystem;

FolderView ViewOf(const fs::path& folder) {
  return {.name = folder.filename().string(),
          .read = [folder](const std::string& file) -> std::optional<std::string> {
            auto text = ReadTextFile((folder / file).string());
            if (!text) return std::nullopt;
            return std::move(*text);
          },
          .has =
              [folder](const std::string& file) {
                std::error_code error;
                return fs::is_regular_file(folder / file, error);
              },
          .folder_with = [folder](const std::string& file) -> std::string {
            std::error_code error;
            for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
              if (fs::is_regular_file(entry.path() / file, error)) {
                return entry.path().filename().string();
              }
            }
            return {};
          }};
}

}  // namespace

int Init(const Session& session) {
  const auto folder = WorkingFolder();
  if (!folder) return Fail(session, ExitCode::kNotDone, folder.error().message);
  const std::string path = *folder + "/Oxfile.toml";
  std::error_code error;
  for (const std::string& there : {path, *folder + "/oxfile.toml"}) {
    if (fs::exists(there, error)) {
      return Fail(session, ExitCode::kAskedWrongly,
                  there + " is there already; oxherd validate says what it contains");
    }
  }
  const Starter starter = MakeStarter(ViewOf(*folder));
  std::ofstream file(path, std::ios::binary);
  file << starter.text;
  file.close();
  if (!file) return Fail(session, ExitCode::kNotDone, "cannot write " + path);
  Reply reply;
  reply.notes.push_back(
      "Oxfile.toml written" +
      (starter.found.empty()
           ? ": a sample, as there is no Procfile, package.json or manage.py here; edit it"
           : ", from " + starter.found) +
      "; then: oxherd validate, oxherd start");
  if (session.options.json) return PrintJson(reply, session.verb());
  Write(STDOUT_FILENO, Clean(reply.notes.front()) + "\n");
  return 0;
}

}  // namespace oxherd::cli
