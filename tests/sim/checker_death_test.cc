// What may not happen when keeper and daemon were killed together, shown to the checks.
#include <doctest/doctest.h>

#include "tests/sim/stage.h"

namespace oxherd::sim {
namespace {

TEST_SUITE("sim: the checks after a death of both") {
  TEST_CASE("4: a process of which it is in doubt what it is gets no signal") {
    Stage stage;
    stage.BringUp({MakeSpec(0)});
    stage.kernel.PutInDoubt(stage.token());
    CHECK_FALSE(stage.Scene());
    SUBCASE("to stop") { stage.kernel.Signal(stage.token(), stage.now); }
    SUBCASE("to kill it") { stage.kernel.Kill(stage.token(), stage.now); }
    CHECK(stage.Scene().invariant == Invariant::kNoSignalToDead);
  }

  TEST_CASE("1: nothing is started beside what lives, in doubt or not") {
    Stage stage;
    stage.BringUp({MakeSpec(0)});
    stage.ledger.boots = true;
    stage.actions = {action::Spawn{.token = stage.after.next_token,
                                   .instance = {"a", 0},
                                   .generation = Generation(1),
                                   .kind = ProcessKind::kInstance}};
    Look(stage.after, stage.after_view);
    const Moment moment{stage.after_view, stage.after_view, stage.after,  nullptr,
                        stage.actions,    stage.kernel,     stage.ledger, stage.now};
    CHECK(CheckNoSecondCopy(moment).invariant == Invariant::kOneInstance);
    stage.kernel.Forget(stage.token());
    CHECK_FALSE(CheckNoSecondCopy(moment));
  }
}

}  // namespace
}  // namespace oxherd::sim
