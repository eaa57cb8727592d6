#include <doctest/doctest.h>

#include "cli/render/progress_lines.h"

namespace oxherd::cli {
namespace {

using control::Progress;
using TellKind = action::Tell::Kind;
using Weight = ProgressLines::Weight;

constexpr Screen kTerminal{.is_terminal = true, .colour = false, .width = 80, .height = 24};
constexpr Screen kNarrow{.is_terminal = true, .colour = false, .width = 30, .height = 24};
constexpr Screen kPipe{};

Progress Say(const char* service, int slot, TellKind kind, int generation, const char* text,
             const char* detail = "") {
  Progress progress;
  progress.kind = kind;
  progress.service = service;
  progress.slot = static_cast<SlotIndex>(slot);
  progress.generation = Generation(static_cast<std::uint32_t>(generation));
  progress.text = text;
  progress.detail = detail;
  return progress;
}

Progress Failed(Progress progress) {
  progress.failed = true;
  return progress;
}

TEST_CASE("an exit that was asked for passes, one that was not stays") {
  ProgressLines lines(ProgressLines::Generations::kHidden);
  CHECK(lines.Add(Say("api", 0, TellKind::kExited, 1, "exited 0")) == Weight::kPassing);
  lines.Add(Say("api", 0, TellKind::kStopped, 1, "stopped in 1.4 s"));
  CHECK(lines.Render(kPipe, 0) == " api/0     stopped in 1.4 s");
  CHECK(lines.Add(Failed(Say("api", 0, TellKind::kExited, 1, "exited 1"))) == Weight::kSettled);
}

TEST_CASE("an instance has one line, which says what is the case now") {
  ProgressLines lines(ProgressLines::Generations::kHidden);
  CHECK(lines.Add(Say("api", 0, TellKind::kSpawning, 1, "starting")) == Weight::kPassing);
  CHECK(lines.Render(kTerminal, 0) == " api/0     starting");
  CHECK(lines.Add(Say("api", 0, TellKind::kReady, 1, "ready in 412 ms", "answers /health")) ==
        Weight::kSettled);
  CHECK(lines.size() == 1);
  CHECK(lines.Render(kTerminal, 0) == " api/0     ready in 412 ms   answers /health");
}

TEST_CASE("a reload tells the new generation's story and the old one's end in one line") {
  ProgressLines lines(ProgressLines::Generations::kShown);
  lines.Add(Say("api", 0, TellKind::kReady, 8, "ready in 212 ms"));
  lines.Add(Say("api", 0, TellKind::kStopping, 7, "stopping with SIGTERM, SIGKILL after 10 s"));
  CHECK(lines.Render(kPipe, 0) ==
        " api/0     gen 8  ready in 212 ms · gen 7 stopping with SIGTERM, SIGKILL after 10 s");
  lines.Add(Say("api", 0, TellKind::kStopped, 7, "stopped in 1.4 s"));
  CHECK(lines.Render(kPipe, 0) == " api/0     gen 8  ready in 212 ms · gen 7 stopped in 1.4 s");
}

TEST_CASE("what the old generation did before the new one spoke stays the old one's") {
  ProgressLines lines(ProgressLines::Generations::kShown);
  lines.Add(Say("api", 0, TellKind::kStopped, 7, "stopped in 4 ms"));
  lines.Add(Say("api", 0, TellKind::kReady, 8, "ready in 212 ms"));
  CHECK(lines.Render(kPipe, 0) == " api/0     gen 8  gen 7 stopped in 4 ms · ready in 212 ms");
}

TEST_CASE("that what crashed is gone is not said") {
  ProgressLines lines(ProgressLines::Generations::kHidden);
  lines.Add(Failed(Say("api", 0, TellKind::kExited, 1, "exited 1")));
  CHECK_FALSE(lines.Add(Say("api", 0, TellKind::kStopped, 1, "stopped in 0 ms")).has_value());
  CHECK(lines.Render(kPipe, 0) == " api/0     exited 1");
}

TEST_CASE("where there is little room, what happened last is kept") {
  ProgressLines lines(ProgressLines::Generations::kHidden);
  lines.Add(Say("api", 0, TellKind::kReady, 1, "ready in 412 ms"));
  lines.Add(Say("api", 0, TellKind::kStopped, 1, "stopped in 4 ms"));
  CHECK(lines.Render(kNarrow, 0) == " api/0     … stopped in 4 ms");
}

TEST_CASE("a crash loop does not make a line endless") {
  ProgressLines lines(ProgressLines::Generations::kHidden);
  for (int i = 0; i < 100; ++i) {
    lines.Add(Failed(Say("api", 0, TellKind::kExited, 1, "exited 1")));
    lines.Add(Say("api", 0, TellKind::kBackoff, 1, "starting again in 4 s"));
  }
  CHECK(lines.Render(kPipe, 0) ==
        " api/0     exited 1 · exited 1 · exited 1 · exited 1 · starting again in 4 s");
}

TEST_CASE("a line is never wider than the terminal") {
  ProgressLines lines(ProgressLines::Generations::kHidden);
  lines.Add(Say("api", 0, TellKind::kReady, 1, "ready in 412 ms", "answers a rather long path"));
  CHECK(WidthOf(lines.Render(kNarrow, 0)) < 30);
  lines.Add(Say("api", 0, TellKind::kExited, 1, "a text that is far too long for this terminal"));
  CHECK(WidthOf(lines.Render(kNarrow, 0)) < 30);
}

TEST_CASE("names line up, and what the result says anyway is not said twice") {
  ProgressLines lines(ProgressLines::Generations::kHidden);
  lines.Add(Say("a-longer-name", 0, TellKind::kReady, 1, "ready"));
  lines.Add(Say("api", 0, TellKind::kReady, 1, "ready"));
  CHECK(lines.Render(kPipe, 0) == " a-longer-name/0  ready");
  CHECK(lines.Render(kPipe, 1) == " api/0            ready");
  CHECK_FALSE(lines.Add(Say("api", 0, TellKind::kReloadDone, 1, "reloaded")).has_value());
  CHECK(lines.size() == 2);
}

TEST_CASE("in a pipe each line stands for itself") {
  ProgressLines lines(ProgressLines::Generations::kShown);
  const Progress ready = Say("api", 0, TellKind::kReady, 8, "ready in 212 ms", "answers /health");
  lines.Add(ready);
  CHECK(lines.RenderOne(kPipe, ready) == " api/0     gen 8  ready in 212 ms   answers /health");
}

TEST_CASE("what a progress says cannot drive the terminal") {
  ProgressLines lines(ProgressLines::Generations::kHidden);
  lines.Add(Say("a\x1b[2Jpi", 0, TellKind::kExited, 1, "exited\r\n1", "\x07"));
  const std::string line = lines.Render(kTerminal, 0);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\x07') == std::string::npos);
}

}  // namespace
}  // namespace oxherd::cli
