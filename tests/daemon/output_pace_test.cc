#include "daemon/output/log_pace.h"

#include <algorithm>
#include <array>
#include <thread>

#include "tests/daemon/output_support.h"

namespace oxherd::test {
namespace {

constexpr Instant kBegin{Seconds(100)};

std::size_t RoomOf(const Program& program) { return *os::PipeRoom(program.pipe.read_end.get()); }

// What a pipe gives whose writer is always waiting.
void KeepFull(OutputPace& pace, OutputFlow& flow, const Program& program, Instant now) {
  for (int round = 0; round < 100; ++round) {
    pace.OnMoved(flow, program.pipe.read_end, OutputPace::kUsualRoom, now);
  }
}

TEST_CASE("a pipe whose writer keeps filling it is wide while it does, and no longer") {
  const Folder folder;
  const Program program;
  Log log;
  log->Attach(SourceTo(folder / "x.log", program));
  CHECK(RoomOf(program) == OutputPace::kUsualRoom);
  std::size_t widest = 0;
  const std::string part = NumberedLines(0, 20'000);
  for (int i = 0; i < 200; ++i) {
    program.Prints(part);
    widest = std::max(widest, RoomOf(program));
  }
  CHECK(widest == OutputPace::kWideRoom);
  Eventually([&] { return RoomOf(program) == OutputPace::kUsualRoom; }, "it is narrow again");
  log.Finish();
  CHECK(Contents(folder / "x.log").size() == 200 * part.size());
}

TEST_CASE("a pipe that a killed daemon left wide is narrow again, whatever is in it") {
  const Folder folder;
  const Program program;
  REQUIRE(os::SetPipeRoom(program.pipe.read_end.get(), OutputPace::kWideRoom));
  const std::string printed = NumberedLines(0, 50'000);
  program.Prints(printed);
  Log log;
  log->Attach(SourceTo(folder / "x.log", program));
  Eventually([&] { return RoomOf(program) == OutputPace::kUsualRoom; }, "it is narrow");
  log.Finish();
  CHECK(Contents(folder / "x.log") == printed);
}

TEST_CASE("few pipes are wide at a time, and the next is when one of them is narrow again") {
  std::array<Program, OutputPace::kMostWide + 1> programs;
  std::array<OutputFlow, OutputPace::kMostWide + 1> flows;
  OutputPace pace;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    flows[i].id = i;
    pace.Begin(flows[i], programs[i].pipe.read_end, kBegin);
    KeepFull(pace, flows[i], programs[i], kBegin);
  }
  CHECK(std::ranges::count(flows, true, &OutputFlow::is_wide) == OutputPace::kMostWide);
  CHECK(RoomOf(programs.front()) == OutputPace::kWideRoom);
  CHECK(RoomOf(programs.back()) == OutputPace::kUsualRoom);

  CHECK(pace.Due(kBegin).empty());
  const Instant later = kBegin + OutputPace::kStayWide;
  CHECK(pace.deadline() == later);
  CHECK(pace.Due(later).size() == OutputPace::kMostWide);
  pace.Narrow(flows.front(), programs.front().pipe.read_end, later);
  CHECK(RoomOf(programs.front()) == OutputPace::kUsualRoom);
  KeepFull(pace, flows.back(), programs.back(), later);
  CHECK(RoomOf(programs.back()) == OutputPace::kWideRoom);
}

TEST_CASE("a wide pipe that holds more than a usual one can stays wide until it is read") {
  const Program program;
  OutputFlow flow{.id = 1};
  OutputPace pace;
  pace.Begin(flow, program.pipe.read_end, kBegin);
  KeepFull(pace, flow, program, kBegin);
  program.Prints(std::string(OutputPace::kUsualRoom + 1, 'x'));
  const Instant later = kBegin + OutputPace::kStayWide;
  pace.Narrow(flow, program.pipe.read_end, later);
  CHECK(RoomOf(program) == OutputPace::kWideRoom);
  CHECK(pace.deadline() == later + OutputPace::kStayWide);

  std::string taken(OutputPace::kWideRoom, '\0');
  REQUIRE(os::TakeFrom(program.pipe.read_end, taken));
  pace.Narrow(flow, program.pipe.read_end, later);
  CHECK(RoomOf(program) == OutputPace::kUsualRoom);
  CHECK(pace.deadline() == kNever);
}

TEST_CASE("naps are shorter the faster the pipes fill, and there is none while more is left") {
  const Program program;
  OutputFlow flow{.id = 1};
  OutputPace pace;
  pace.Begin(flow, program.pipe.read_end, kBegin);
  pace.OnMoved(flow, program.pipe.read_end, 100, kBegin);
  const Duration longest = pace.Nap();
  CHECK(longest > Duration::zero());

  pace.OnMoved(flow, program.pipe.read_end, OutputPace::kUsualRoom, kBegin);
  CHECK(pace.Nap() == Duration::zero());  // there may be more
  pace.OnMoved(flow, program.pipe.read_end, 100, kBegin);
  CHECK(pace.Nap() < longest);
  for (int round = 0; round < 10; ++round) {
    pace.OnMoved(flow, program.pipe.read_end, 100, kBegin);
    (void)pace.Nap();
  }
  CHECK(pace.Nap() == longest);
}

}  // namespace
}  // namespace oxherd::test
