// `oxherd`: parses, asks, renders.
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "cli/command_line/options.h"
#include "cli/command_line/program.h"
#include "cli/commands/commands.h"
#include "cli/commands/import.h"
#include "cli/places.h"
#include "cli/render/terminal.h"
#include "cli/session.h"

namespace {

int Main(int count, char** words) {
  using namespace oxherd::cli;
  const std::vector<std::string> typed(words + (count > 0 ? 1 : 0), words + count);
  auto parsed = ParseWords(typed);
  if (!parsed) {
    const NotOptions& why = parsed.error();
    Write(why.code == 0 ? STDOUT_FILENO : STDERR_FILENO, why.text);
    return why.code;
  }
  Options options = std::move(*parsed);
  Session session{options, {}, ScreenOf(STDOUT_FILENO)};
  auto places = FindPlaces();
  if (!places) return Fail(session, ExitCode::kNotDone, places.error().message);
  session.places = std::move(*places);
  if (const auto code = TakeProgram(session, options)) return *code;
  if (const auto code = TakeEcosystemFiles(session, options)) return *code;
  return Perform(session);
}

}  // namespace

int main(int count, char** words) { return Main(count, words); }
