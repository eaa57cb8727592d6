#include "core/watch_filter.h"

#include <algorithm>
#include <utility>

namespace oxherd {
namespace {

std::string_view NameOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

// "[a-c]" or "[!x]" at the front of `glob`: whether `c` is in it; takes it off. False, and nothing
// is taken, if it does not end.
bool TakeSet(std::string_view& glob, char c, bool& matches) {
  std::size_t at = 1;
  const bool is_negated = at < glob.size() && (glob[at] == '!' || glob[at] == '^');
  if (is_negated) ++at;
  const std::size_t end = glob.find(']', at + 1);
  if (end == std::string_view::npos) return false;
  bool found = false;
  for (; at < end; ++at) {
    if (at + 2 < end && glob[at + 1] == '-') {
      found |= glob[at] <= c && c <= glob[at + 2];
      at += 2;
    } else {
      found |= glob[at] == c;
    }
  }
  matches = found != is_negated && c != '/';
  glob.remove_prefix(end + 1);
  return true;
}

// Takes one character of both. False: they differ.
bool TakeOne(std::string_view& glob, std::string_view& text) {
  const char c = text.front();
  bool matches = false;
  if (glob.front() == '[' && TakeSet(glob, c, matches)) {
    text.remove_prefix(1);
    return matches;
  }
  matches = glob.front() == c || (glob.front() == '?' && c != '/');
  glob.remove_prefix(1);
  text.remove_prefix(1);
  return matches;
}

}  // namespace

// Goes back to the last star only; a single one cannot stand for a slash, so that the last double
// one is remembered beside it.
bool MatchesGlob(std::string_view glob, std::string_view text) {
  struct Star {
    std::string_view glob;
    std::string_view text;
    bool is_set = false;
  };
  Star one;
  Star two;
  for (;;) {
    if (glob.starts_with("**")) {
      glob.remove_prefix(2);
      if (glob.starts_with('/')) glob.remove_prefix(1);  // "**/x" is "x" as well
      two = {glob, text, true};
      one = {};
      continue;
    }
    if (glob.starts_with('*')) {
      glob.remove_prefix(1);
      one = {glob, text, true};
      continue;
    }
    if (glob.empty() && text.empty()) return true;
    if (!glob.empty() && !text.empty() && TakeOne(glob, text)) continue;
    if (one.is_set && !one.text.empty() && one.text.front() != '/') {
      one.text.remove_prefix(1);
      glob = one.glob;
      text = one.text;
    } else if (two.is_set && !two.text.empty()) {
      two.text.remove_prefix(1);
      one = {};
      glob = two.glob;
      text = two.text;
    } else {
      return false;
    }
  }
}

WatchFilter::WatchFilter(const WatchSpec& spec) : extensions_(spec.extensions) {
  for (std::string glob : spec.ignore) {
    while (glob.size() > 1 && glob.ends_with('/')) glob.pop_back();
    if (glob.ends_with("/**")) glob.resize(glob.size() - 3);
    const bool is_path = glob.contains('/');
    if (glob.starts_with("./")) glob.erase(0, 1);
    if (glob.starts_with('/')) glob.erase(0, 1);
    ignore_.push_back({std::move(glob), is_path});
  }
}

bool WatchFilter::Ignores(std::string_view path) const {
  const std::string_view name = NameOf(path);
  if (name.starts_with('.') || name.ends_with('~')) return true;
  if (std::ranges::find(kIgnored, name) != std::end(kIgnored)) return true;
  return std::ranges::any_of(ignore_, [&](const Glob& glob) {
    return MatchesGlob(glob.text, glob.is_path ? path : name);
  });
}

bool WatchFilter::IgnoresFolder(std::string_view path) const { return Ignores(path); }

bool WatchFilter::CountsFile(std::string_view path) const {
  if (Ignores(path)) return false;
  if (extensions_.empty()) return true;
  return std::ranges::any_of(extensions_, [&](const std::string& extension) {
    return path.size() > extension.size() && path.ends_with(extension) &&
           path[path.size() - extension.size() - 1] == '.';
  });
}

}  // namespace oxherd
