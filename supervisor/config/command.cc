#include "config/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "config/placeholder.h"
#include "config/shell_words.h"

namespace oxherd {

namespace {

// What only the shell itself can do: no program of this name, so no `exec` in front of it.
constexpr std::array<std::string_view, 45> kShellOnly = {
    "!",    "{",       "}",        ".",        ":",       "alias", "bg",      "break", "case",
    "cd",   "command", "continue", "do",       "done",    "elif",  "else",    "esac",  "eval",
    "exec", "exit",    "export",   "fg",       "fi",      "for",   "getopts", "hash",  "if",
    "jobs", "local",   "read",     "readonly", "return",  "set",   "shift",   "then",  "times",
    "trap", "type",    "ulimit",   "umask",    "unalias", "unset", "until",   "wait",  "while"};

bool IsShellOnly(std::string_view word) {
  return std::ranges::find(kShellOnly, word) != kShellOnly.end();
}

// `NODE_ENV=production` in front of a command.
bool IsAssignment(std::string_view raw) {
  const std::size_t equals = raw.find('=');
  return equals != std::string_view::npos && IsVariableName(raw.substr(0, equals));
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// The word that names the program of a single simple command; end if there is none.
auto ProgramWord(const ShellLine& line) {
  return std::ranges::find_if_not(line.words,
                                  [](const ShellWord& w) { return IsAssignment(w.raw); });
}

bool NeedsShell(const ShellLine& line) {
  return line.has_expansion || line.has_redirect || line.has_operator ||
         IsAssignment(line.words.front().raw) || IsShellOnly(line.words.front().raw);
}

std::string WithExec(std::string_view text, const ShellLine& line) {
  const auto program = ProgramWord(line);
  const bool simple = !line.has_operator && program != line.words.end() &&
                      !IsShellOnly(program->raw) && !program->raw.starts_with('<') &&
                      !program->raw.starts_with('>');
  std::string result(text);
  if (simple) result.insert(program->offset, "exec ");
  return result;
}

Status RefuseSource(const ShellLine& line) {
  const auto found = std::ranges::find_if(
      line.words, [](const ShellWord& w) { return w.starts_command && w.raw == "source"; });
  if (found == line.words.end()) return {};
  std::string file = std::next(found) == line.words.end() ? "./file" : std::next(found)->raw;
  if (!file.contains('/')) file = "./" + file;
  return MakeError(fmt::format("/bin/sh has no \"source\"; write \". {}\"", file));
}

bool NeedsQuotes(std::string_view word) {
  return word.empty() || std::ranges::any_of(word, [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) == 0 &&
                  !std::string_view("_-./:=,+@%^").contains(c) &&
                  static_cast<unsigned char>(c) < 0x80;
         });
}

std::string Quoted(std::string_view word) {
  if (!NeedsQuotes(word)) return std::string(word);
  std::string result = "'";
  for (const char c : word) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

}  // namespace

Result<Command> ParseCommand(std::string_view line) {
  const std::string_view text = Trim(line);
  if (text.empty()) return MakeError("an empty command; write what to run");
  OXHERD_TRY_ASSIGN(const ShellLine shell, ReadShellLine(text));
  if (shell.words.empty()) return MakeError("an empty command; write what to run");
  OXHERD_TRY(RefuseSource(shell));
  if (NeedsShell(shell)) return Command{{"/bin/sh", "-c", WithExec(text, shell)}, true};
  Command command;
  for (const ShellWord& word : shell.words) command.argv.push_back(word.value);
  if (command.argv.front().empty()) return MakeError("the program's name is empty");
  return command;
}

std::string CommandText(const Command& command) {
  if (command.through_shell && command.argv.size() == 3) return command.argv[2];
  std::string text;
  for (const std::string& word : command.argv) {
    if (!text.empty()) text += ' ';
    // `$${` is only our way to write `${`.
    std::string shown = word;
    for (std::size_t at = shown.find("$${"); at != std::string::npos;
         at = shown.find("$${", at + 2)) {
      shown.erase(at, 1);
    }
    text += Quoted(shown);
  }
  return text;
}

}  // namespace oxherd
