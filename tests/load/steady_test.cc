// What a supervised server costs its clients when nothing happens: nothing that can be measured.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "tests/e2e/http.h"
#include "tests/load/proof.h"

namespace oxherd::load {
namespace {

using e2e::Home;

// Requests per second in one short round.
double RateOf(Plan plan, milliseconds round) {
  Load load(std::move(plan));
  const auto began = SteadyClock::now();
  e2e::WaitUntil("the end of the round", [&] { return SteadyClock::now() - began >= round; });
  const Counts counts = load.Finish();
  CHECK_MESSAGE(counts.failed == 0, counts.Told());
  return 1000.0 * static_cast<double>(counts.ok) / static_cast<double>(counts.took_ms);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string Listed(const std::vector<double>& values) {
  std::string listed;
  for (const double value : values) {
    listed += " " + std::to_string(static_cast<long>(value));
  }
  return listed;
}

TEST_SUITE_BEGIN("proof_steady");

TEST_CASE("as many requests per second with Oxherd as without, each on a connection of its own") {
  const Home home;
  WriteService(home, Serving(CServer(), 1, {}, "0.0.0.0:@port"));
  home.MustRun({"start"});
  e2e::Invocation bare{{CServer()}, home.folder().string(), {}, [] {}};
  bare.environment = {"PORT=" + std::to_string(home.port(1))};
  const e2e::Command without(bare);
  e2e::WaitUntil("the other server", [&] { return !e2e::IsFree(home.port(1)); });

  Plan supervised = Fresh(home);
  Plan alone = Fresh(home);
  alone.port = home.port(1);
  // In turns, so that what else the machine does falls on both.
  const int rounds = ShortOrLong(5, 21);
  const milliseconds round(ShortOrLong(200, 1000));
  std::vector<double> with_oxherd;
  std::vector<double> without_it;
  for (int i = 0; i < rounds; ++i) {
    with_oxherd.push_back(RateOf(supervised, round));
    without_it.push_back(RateOf(alone, round));
  }
  const double ratio = Median(with_oxherd) / Median(without_it);
  MESSAGE("requests per second: with" << Listed(with_oxherd) << "; without" << Listed(without_it)
                                      << "; ratio of the medians " << ratio);
  // Where others use the machine too (OXHERD_QUIET is not set), only a gross loss is an error.
  CHECK(ratio > (std::getenv("OXHERD_QUIET") != nullptr ? 0.95 : 0.5));
}

TEST_SUITE_END();

}  // namespace
}  // namespace oxherd::load
