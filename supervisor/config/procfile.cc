#include "config/procfile.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/command.h"
#include "config/toml_text.h"
#include "core/spec.h"

namespace oxherd {
namespace {

// foreman's, for the first line and from one line to the next.
constexpr int kFirstPort = 5000;
constexpr int kPortStep = 100;

constexpr std::string_view kRelease = "release";

struct Line {
  std::string name;
  std::string command;
  int number = 0;  // among the processes, from 0
};

std::string_view Trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

class Reader {
 public:
  Reader(std::string_view text, ProcfileImport& into) : text_(text), into_(into) {}

  std::vector<Line> Read() {
    std::uint32_t number = 0;
    for (std::size_t begin = 0; begin < text_.size();) {
      const std::size_t end = std::min(text_.find('\n', begin), text_.size());
      ReadLine(Trimmed(text_.substr(begin, end - begin)), ++number);
      begin = end + 1;
    }
    return std::move(lines_);
  }

 private:
  void Problem(std::uint32_t line, std::string message) {
    into_.problems.push_back({{line, 1}, std::move(message)});
  }

  void ReadLine(std::string_view line, std::uint32_t number) {
    if (line.empty() || line.front() == '#') return;
    const std::size_t colon = line.find(':');
    const std::string_view name = Trimmed(line.substr(0, colon));
    const bool is_name = !name.empty() && name.find_first_of(" \t\"'=/") == name.npos;
    if (colon == line.npos || !is_name) {
      return Problem(number, "no process; write name: command");
    }
    Line made{.name = ServiceNameFrom(name),
              .command = std::string(Trimmed(line.substr(colon + 1)))};
    const auto command = ParseCommand(made.command);
    if (!command) return Problem(number, std::string(name) + ": " + command.error().message);
    if (std::ranges::find(lines_, made.name, &Line::name) != lines_.end()) {
      return Problem(number, "a second \"" + made.name + "\"; one of the two needs another name");
    }
    if (made.name != name) {
      into_.warnings.push_back(fmt::format("\"{}\" is called {} here", name, made.name));
    }
    made.number = static_cast<int>(lines_.size());
    lines_.push_back(std::move(made));
  }

  std::string_view text_;
  ProcfileImport& into_;
  std::vector<Line> lines_;
};

std::string Service(const Line& line, bool waits_for_release, const ProcfileSource& source) {
  std::string text =
      fmt::format("\n[processes.{}]\ncommand = {}\n", TomlKey(line.name), TomlString(line.command));
  const bool is_release = line.name == kRelease;
  if (is_release) text += "type = \"oneshot\"              # before the others start\n";
  const int port = kFirstPort + kPortStep * line.number;
  const bool uses_port = line.command.contains("$PORT") || line.command.contains("${PORT");
  if (uses_port && !is_release) {
    text +=
        fmt::format("listen = {}                   # sets PORT; a reload loses nothing\n", port);
  } else if (line.name == "web") {
    text +=
        fmt::format("# listen = {}                 # if it listens on the PORT it is told\n", port);
  }
  if (!source.folder.empty()) {
    text += "working_dir = " + TomlString(Literal(source.folder)) + "\n";
  }
  if (!source.env_files.empty()) {
    std::string files;
    for (const std::string& file : source.env_files) {
      files += (files.empty() ? "" : ", ") + TomlString(file);
    }
    text += source.env_files.size() == 1 ? "env_file = " + files + "\n"
                                         : "env_file = [" + files + "]\n";
  }
  if (waits_for_release && !is_release) text += "depends_on = [\"release\"]\n";
  return text;
}

}  // namespace

std::string ServiceNameFrom(std::string_view wanted) {
  // "@scope/name" is called name.
  wanted.remove_prefix(wanted.rfind('/') + 1);
  std::string name;
  for (const char c : wanted) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    name += allowed ? c : '-';
  }
  const std::size_t begin = name.find_first_not_of(".-");
  name = begin == std::string::npos ? "app" : name.substr(begin, kMaxServiceName);
  const bool digits = name.find_first_not_of("0123456789") == std::string::npos;
  return digits || name == "all" ? "app" : name;
}

ProcfileImport OxfileFromProcfile(std::string_view text, const ProcfileSource& source) {
  ProcfileImport made;
  if (const auto problem = CheckEncoding(text)) {
    made.problems.push_back(*problem);
    return made;
  }
  const std::vector<Line> lines = Reader(WithoutByteOrderMark(text), made).Read();
  if (lines.empty() && made.problems.empty()) {
    made.problems.push_back({{1, 1}, "there is no process in it; write name: command"});
  }
  const bool has_release = std::ranges::find(lines, kRelease, &Line::name) != lines.end();
  made.text = "# Made from " + source.name + ".\n";
  for (const Line& line : lines) made.text += Service(line, has_release, source);
  return made;
}

}  // namespace oxherd
