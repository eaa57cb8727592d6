#include "config/include.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "config/text_check.h"

namespace oxherd {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxPatterns = 100;

bool HasWildcard(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

class Inclusion {
 public:
  Inclusion(const std::string& oxfile, const std::string& folder, const FileAccess& files,
            ErrorList& errors)
      : oxfile_(oxfile), folder_(folder), files_(files), errors_(errors) {
    seen_.insert((fs::path(folder_) / fs::path(oxfile).filename()).string());
  }

  std::deque<IncludedFile> Run(const Value& value) {
    if (const auto* items = value.As<Array>()) {
      if (items->size() > kMaxPatterns) {
        Refuse(value, fmt::format("more than {} entries; use wildcards", kMaxPatterns));
      } else {
        for (const Value& item : *items) Include(item);
      }
    } else {
      Include(value);
    }
    return std::move(included_);
  }

 private:
  void Refuse(const Value& at, std::string message) {
    errors_.Add(at.position, "include", std::move(message));
  }

  void Include(const Value& value) {
    const auto* pattern = value.As<std::string>();
    if (pattern == nullptr || pattern->empty() || pattern->contains('\0')) {
      Refuse(value, fmt::format("found {}, expected the name of a file, such as \"conf.d/*.toml\"",
                                Describe(value)));
      return;
    }
    const fs::path shown = (fs::path(oxfile_).parent_path() / *pattern).lexically_normal();
    if (HasWildcard(fs::path(*pattern).parent_path().string())) {
      Refuse(value, "wildcards may stand only in the last part of a path");
      return;
    }
    if (!HasWildcard(shown.filename().string())) {
      Read(value, shown);
      return;
    }
    for (const std::string& name : Fitting(value, shown)) Read(value, shown.parent_path() / name);
  }

  [[nodiscard]] fs::path Absolute(const fs::path& shown) const {
    // `shown` begins as the Oxfile's own path does, whose folder is known.
    const fs::path below =
        shown.is_absolute() ? shown : shown.lexically_relative(fs::path(oxfile_).parent_path());
    return (fs::path(folder_) / (below.empty() ? shown : below)).lexically_normal();
  }

  std::vector<std::string> Fitting(const Value& value, const fs::path& shown) {
    const fs::path folder = Absolute(shown).parent_path();
    auto names = files_.names_in(folder.string());
    if (!names) {
      if (names.error().number != ENOENT) {
        Refuse(value, fmt::format("{}: {}", folder.string(), names.error().message));
      }
      return {};
    }
    const std::string pattern = shown.filename().string();
    std::erase_if(*names, [&pattern](const std::string& name) {
      return ::fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) != 0;
    });
    std::ranges::sort(*names);
    return std::move(*names);
  }

  void Read(const Value& value, const fs::path& shown) {
    const fs::path absolute = Absolute(shown);
    if (!seen_.insert(absolute.string()).second) return;
    if (included_.size() == kMaxIncludedFiles) {
      Refuse(value, fmt::format("more than {} files", kMaxIncludedFiles));
      return;
    }
    if (included_.size() > kMaxIncludedFiles) return;
    if (files_.why_unsafe) {
      if (const std::string why = files_.why_unsafe(absolute.string()); !why.empty()) {
        Refuse(value, fmt::format("{}: it is not read as root", why));
        return;
      }
    }
    auto text = files_.read(absolute.string());
    if (!text) {
      Refuse(value, fmt::format("{}: {}", shown.string(), text.error().message));
      return;
    }
    bytes_ += text->size();
    if (bytes_ > kMaxConfigBytes) {
      Refuse(value, fmt::format("the included files are larger than {} MiB together",
                                kMaxConfigBytes >> 20U));
      return;
    }
    IncludedFile& file =
        included_.emplace_back(IncludedFile{.path = shown.string(),
                                            .folder = absolute.parent_path().string(),
                                            .absolute = absolute.string(),
                                            .text = std::string(WithoutByteOrderMark(*text))});
    file.number = errors_.AddFile(file.path, file.text);
  }

  const std::string& oxfile_;
  const std::string& folder_;
  const FileAccess& files_;
  ErrorList& errors_;
  std::set<std::string> seen_;
  std::size_t bytes_ = 0;
  std::deque<IncludedFile> included_;
};

}  // namespace

std::deque<IncludedFile> FindIncluded(const Value& value, const std::string& oxfile,
                                      const std::string& folder, const FileAccess& files,
                                      ErrorList& errors) {
  return Inclusion(oxfile, folder, files, errors).Run(value);
}

std::string WhyUnsafeForRoot(const std::string& path) {
  for (const std::string& one : {path, fs::path(path).parent_path().string()}) {
    struct stat facts{};
    if (::stat(one.c_str(), &facts) != 0) continue;  // reading it says why
    if (facts.st_uid != 0) return fmt::format("\"{}\" belongs to user id {}", one, facts.st_uid);
    if ((facts.st_mode & 022U) != 0) return fmt::format("\"{}\" can be written by others", one);
  }
  return {};
}

}  // namespace oxherd
