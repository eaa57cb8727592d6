#include "cli/command_line/completion.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "cli/command_line/options.h"
#include "cli/command_line/verbs.h"
#include "cli/render/terminal.h"

namespace oxherd::cli {
namespace {

// The services that the daemon knows and their namespaces, one a line; nothing where none runs.
constexpr std::string_view kNamesCommand =
    R"sh(oxherd list --json 2>/dev/null | grep -oE '"(service|namespace)":"[^"]*"' | sed 's/^"service":"//;s/^"namespace":"/@/;s/"$//' | sort -u)sh";

bool TakesNames(const VerbEntry& entry) { return (entry.takes & (kNames | kName)) != 0; }

// Of "daemon stop": "daemon". Of "start": itself.
std::string_view FirstWord(std::string_view verb) { return verb.substr(0, verb.find(' ')); }

std::string SecondWord(std::string_view verb) {
  const std::size_t blank = verb.find(' ');
  return blank == std::string_view::npos ? "" : std::string(verb.substr(blank + 1));
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// The first words of all verbs, each once, in the order of help.
std::vector<std::string> FirstWords() {
  std::vector<std::string> words;
  for (const VerbEntry& entry : Verbs()) {
    const std::string word(FirstWord(entry.name));
    if (std::ranges::find(words, word) == words.end()) words.push_back(word);
  }
  return words;
}

// "daemon" -> "run start stop"; verbs of one word have none.
std::vector<std::string> SecondWordsOf(std::string_view first) {
  std::vector<std::string> words;
  for (const VerbEntry& entry : Verbs()) {
    const std::string second = SecondWord(entry.name);
    if (FirstWord(entry.name) == first && !second.empty()) words.push_back(second);
  }
  return words;
}

// One line of a shell's `case`: what may follow the verb.
std::string CaseFor(const VerbEntry& entry) {
  std::string pattern = fmt::format("'{}'", entry.name);
  for (const std::string_view alias : entry.aliases) {
    if (!alias.empty()) pattern += fmt::format(" | '{}'", alias);
  }
  return fmt::format("    {}) flags='{}' names={} ;;\n", pattern, Joined(FlagsOf(entry)),
                     TakesNames(entry) ? "yes" : "no");
}

// `variable` gets the second words of the two-word verbs.
std::string Cases(std::string_view variable) {
  std::string text;
  for (const std::string& first : FirstWords()) {
    const std::vector<std::string> second = SecondWordsOf(first);
    if (second.empty()) continue;
    text += fmt::format("    '{}') {}='{}' ;;\n", first, variable, Joined(second));
  }
  for (const VerbEntry& entry : Verbs()) text += CaseFor(entry);
  return text;
}

// The words that may come first, the cases, and the command that lists names take these places.
constexpr std::string_view kBash = R"sh(# bash completion for oxherd: `oxherd completion bash`
_oxherd() {
  local word=${COMP_WORDS[COMP_CWORD]} verb= words= flags= names=no i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    if [[ ${COMP_WORDS[i]} == -* ]]; then continue; fi
    verb+="${verb:+ }${COMP_WORDS[i]}"
    if [[ $verb != daemon && $verb != service ]]; then break; fi
  done
  case $verb in
    '') words='@FIRST@' ;;
@CASES@  esac
  if [[ $words == "" && $names == yes && $word != -* ]]; then
    words="all $(@NAMES@)"
  fi
  if [[ $word == -* ]]; then words=$flags; fi
  if [[ $words != "" ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}
complete -F _oxherd oxherd
)sh";

constexpr std::string_view kZsh = R"sh(#compdef oxherd
# zsh completion for oxherd: `oxherd completion zsh`
_oxherd() {
  local verb='' choices='' flags='' names=no i
  for ((i = 2; i < CURRENT; ++i)); do
    if [[ $words[i] == -* ]]; then continue; fi
    verb+="${verb:+ }$words[i]"
    if [[ $verb != daemon && $verb != service ]]; then break; fi
  done
  case $verb in
    '') choices='@FIRST@' ;;
@CASES@  esac
  if [[ $PREFIX == -* ]]; then choices=$flags
  elif [[ $choices == '' && $names == yes ]]; then choices="all $(@NAMES@)"; fi
  if [[ $choices != '' ]]; then compadd -- ${=choices}; else _files; fi
}
_oxherd "$@"
)sh";

void PutIn(std::string& text, std::string_view place, std::string_view what) {
  text.replace(text.find(place), place.size(), what);
}

std::string Filled(std::string_view script, std::string_view variable) {
  std::string text(script);
  PutIn(text, "@FIRST@", Joined(FirstWords()));
  PutIn(text, "@NAMES@", kNamesCommand);
  PutIn(text, "@CASES@", Cases(variable));
  return text;
}

std::string ForFish() {
  std::string text =
      "# fish completion for oxherd: `oxherd completion fish`\n"
      "function __oxherd_is\n"
      "  set -l words (string match -v -- '-*' (commandline -opc))\n"
      "  test \"$words[2..]\" = \"$argv\"; or string match -q -- \"$argv *\" \"$words[2..]\"\n"
      "end\n"
      "function __oxherd_names\n  ";
  text += kNamesCommand;
  text += "\nend\n";
  for (const std::string& first : FirstWords()) {
    text += fmt::format("complete -c oxherd -f -n __fish_use_subcommand -a '{}'\n", first);
  }
  for (const VerbEntry& entry : Verbs()) {
    const std::string second = SecondWord(entry.name);
    if (!second.empty()) {
      text += fmt::format("complete -c oxherd -f -n '__oxherd_is {}' -a '{}'\n",
                          FirstWord(entry.name), second);
    }
    for (const std::string& flag : FlagsOf(entry)) {
      if (!flag.starts_with("--")) continue;
      text +=
          fmt::format("complete -c oxherd -n '__oxherd_is {}' -l {}\n", entry.name, flag.substr(2));
    }
    if (TakesNames(entry)) {
      text += fmt::format("complete -c oxherd -f -n '__oxherd_is {}' -a 'all (__oxherd_names)'\n",
                          entry.name);
    }
  }
  return text;
}

}  // namespace

std::optional<std::string> CompletionScript(std::string_view shell) {
  if (shell == "bash") return Filled(kBash, "words");
  if (shell == "zsh") return Filled(kZsh, "choices");
  if (shell == "fish") return ForFish();
  return std::nullopt;
}

int PrintCompletion(const Session& session) {
  const std::vector<std::string>& names = session.options.names;
  const auto script = names.size() == 1 ? CompletionScript(names.front()) : std::nullopt;
  if (!script) {
    return Fail(session, ExitCode::kAskedWrongly,
                "completion wants bash, zsh or fish: oxherd completion bash");
  }
  Write(STDOUT_FILENO, *script);
  return 0;
}

}  // namespace oxherd::cli
