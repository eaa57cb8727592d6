#include "config/freeze.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "config/environment.h"

namespace oxherd {

namespace {

namespace fs = std::filesystem;

std::string Resolved(const fs::path& path) {
  std::error_code error;
  const fs::path resolved = fs::canonical(path, error);
  return error ? path.string() : resolved.string();
}

bool IsBelow(const fs::path& path, const fs::path& folder) {
  const auto [rest, end] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return rest == folder.end() && end != path.end();
}

// The file at `path` with its folder resolved; its own link is followed while that stays below one
// of the folders that are deployed.
std::string ResolvedProgram(const fs::path& path, const Spec& spec) {
  std::error_code error;
  const fs::path file = fs::path(Resolved(path.parent_path())) / path.filename();
  if (!fs::exists(file, error)) return {};
  const fs::path target = fs::canonical(file, error);
  if (error) return file.string();
  const fs::path oxfile_folder = Resolved(fs::path(spec.defined_in()).parent_path());
  const bool deployed = IsBelow(target, spec.working_dir) || IsBelow(target, oxfile_folder);
  return deployed ? target.string() : file.string();
}

// execvp(3)'s search.
std::string FindOnPath(const std::string& program, std::string_view path,
                       const std::string& working_dir) {
  while (true) {
    const std::size_t colon = path.find(':');
    const fs::path folder(path.substr(0, colon));
    const fs::path file = fs::path(working_dir) / folder / program;
    std::error_code error;
    if (fs::is_regular_file(file, error) && access(file.c_str(), X_OK) == 0) {
      return fs::path(file).lexically_normal().string();
    }
    if (colon == std::string_view::npos) return {};
    path.remove_prefix(colon + 1);
  }
}

}  // namespace

Result<Spec> Freeze(Spec spec, std::span<const EnvEntry> base) {
  spec.working_dir = Resolved(spec.working_dir);
  const SpawnIdentity identity{0, Generation(1), Token(1)};
  OXHERD_TRY_ASSIGN(const auto environment, BuildEnvironment(spec, identity, base));
  OXHERD_TRY_ASSIGN(const auto argv, ExpandCommand(spec.command, environment, 0));
  spec.program.clear();
  if (argv.empty()) return spec;
  const std::string& program = argv.front();
  if (program.contains('/')) {
    spec.program = ResolvedProgram((fs::path(spec.working_dir) / program).lexically_normal(), spec);
    return spec;
  }
  const auto path = std::ranges::find(environment, "PATH", &EnvEntry::first);
  if (path != environment.end()) {
    spec.program = FindOnPath(program, path->second, spec.working_dir);
  }
  return spec;
}

}  // namespace oxherd
