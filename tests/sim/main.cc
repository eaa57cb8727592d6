// oxherd-sim: runs scenarios from their seeds, and shows those that fail.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/exhaustive.h"
#include "tests/sim/scenario.h"
#include "tests/sim/shrink.h"
#include "tests/sim/simulation.h"

namespace oxherd::sim {
namespace {

constexpr std::string_view kHelp =
    "oxherd-sim: the simulator. A seed is a scenario; what fails is shrunk and printed.\n"
    "  --seed N        the first seed (1)\n"
    "  --count N       how many seeds (100000); with --seed alone: just that one\n"
    "  --minutes M     go on for so long instead\n"
    "  --trace         print what happens, also where nothing fails\n"
    "  --keep-going    group failures by cause instead of stopping at the first\n"
    "  --no-shrink     print a failing scenario as it was drawn\n"
    "  --exhaustive    search the small cases whole\n"
    "  --mutations     break the core in many ways and see that each is noticed\n";

struct Options {
  std::uint64_t seed = 1;
  std::uint64_t count = 100'000;
  double minutes = 0;
  bool trace = false;
  bool keep_going = false;
  bool shrink = true;
  bool exhaustive = false;
  bool mutations = false;
};

[[noreturn]] void Refuse(std::string_view what) {
  std::fprintf(stderr, "oxherd-sim: %.*s; --help lists the options\n",
               static_cast<int>(what.size()), what.data());
  std::exit(2);
}

std::uint64_t Number(const char* text) {
  std::uint64_t number = 0;
  const char* end = text == nullptr ? text : text + std::strlen(text);
  if (text == nullptr || std::from_chars(text, end, number).ptr != end)
    Refuse("a number is missing");
  return number;
}

Options Parse(int argc, char** argv) {
  Options options;
  bool counted = false;
  bool seeded = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto next = [&] { return i + 1 < argc ? argv[++i] : nullptr; };
    if (word == "--seed") {
      options.seed = Number(next());
      seeded = true;
    } else if (word == "--count") {
      options.count = Number(next());
      counted = true;
    } else if (word == "--minutes") {
      options.minutes = static_cast<double>(Number(next()));
    } else if (word == "--trace") {
      options.trace = true;
    } else if (word == "--keep-going") {
      options.keep_going = true;
    } else if (word == "--no-shrink") {
      options.shrink = false;
    } else if (word == "--exhaustive") {
      options.exhaustive = true;
    } else if (word == "--mutations") {
      options.mutations = true;
    } else if (word == "--help") {
      std::fputs(kHelp.data(), stdout);
      std::exit(0);
    } else {
      Refuse("an option that it does not have");
    }
  }
  if (seeded && !counted && options.minutes == 0) options.count = 1;
  return options;
}

void Show(const Scenario& scenario, const Violation& violation, bool shrink) {
  std::printf("seed %llu fails: invariant %d: %s\n", static_cast<unsigned long long>(scenario.seed),
              static_cast<int>(violation.invariant), violation.what);
  if (!shrink) return;
  const Scenario small = Shrink(scenario, violation);
  std::printf("shrunk from %zu steps to %zu:\n%s", scenario.steps.size(), small.steps.size(),
              Report(small).c_str());
}

// The failing seeds of one cause; the first few are named.
struct Failures {
  Violation violation;
  std::uint64_t count = 0;
  std::vector<std::uint64_t> first;
};

constexpr std::size_t kSeedsNamed = 8;

void Count(std::vector<Failures>& all, const Violation& violation, std::uint64_t seed) {
  const std::string_view what = violation.what;
  auto found =
      std::ranges::find_if(all, [what](const Failures& one) { return what == one.violation.what; });
  if (found == all.end()) found = all.insert(all.end(), Failures{violation, 0, {}});
  ++found->count;
  if (found->first.size() < kSeedsNamed) found->first.push_back(seed);
}

void Print(const std::vector<Failures>& all) {
  for (const Failures& one : all) {
    std::printf("  %llu x invariant %d: %s: seeds", static_cast<unsigned long long>(one.count),
                static_cast<int>(one.violation.invariant), one.violation.what);
    for (const std::uint64_t seed : one.first) {
      std::printf(" %llu", static_cast<unsigned long long>(seed));
    }
    std::printf("\n");
  }
}

int RunSeeds(const Options& options) {
  using Clock = std::chrono::steady_clock;
  Simulation simulation;
  Scenario scenario;
  std::uint64_t happenings = 0;
  std::uint64_t core_events = 0;
  std::vector<Failures> failures;
  std::uint64_t run = 0;
  const auto begin = Clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  for (;; ++run) {
    const bool timed = options.minutes > 0;
    if (timed ? run % 256 == 0 && passed() > options.minutes * 60 : run >= options.count) break;
    Draw(options.seed + run, scenario);
    if (options.trace) std::fputs(Report(scenario).c_str(), stdout);
    const Outcome outcome = simulation.Run(scenario);
    happenings += outcome.happenings;
    core_events += outcome.core_events;
    if (!outcome.violation) continue;
    Count(failures, outcome.violation, scenario.seed);
    if (!options.keep_going) {
      Show(scenario, outcome.violation, options.shrink && !options.trace);
      return 1;
    }
  }
  const double seconds = passed();
  std::printf(
      "%llu scenarios, %llu happenings, %llu events in the core, %.1f s: %.0f scenarios/min\n",
      static_cast<unsigned long long>(run), static_cast<unsigned long long>(happenings),
      static_cast<unsigned long long>(core_events), seconds,
      static_cast<double>(run) / seconds * 60);
  Print(failures);
  return failures.empty() ? 0 : 1;
}

int Main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  if (options.mutations) {
    const std::string script = std::string(OXHERD_SOURCE_DIR) + "/tests/sim/mutate";
    return std::system(script.c_str()) == 0 ? 0 : 1;
  }
  if (options.exhaustive) return RunExhaustive();
  return RunSeeds(options);
}

}  // namespace
}  // namespace oxherd::sim

int main(int argc, char** argv) { return oxherd::sim::Main(argc, argv); }
