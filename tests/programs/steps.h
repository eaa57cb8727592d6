// The steps that `misbehave` can take: one small program that does to its supervisor whatever a
// real program might. `misbehave say hello then ignore-term then sleep` takes three steps in a row.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace misbehave {

// The words after a step's name, up to the next "then".
using Words = std::span<const std::string>;

struct Step {
  std::string_view name;
  std::string_view usage;
  std::size_t least_words;
  void (*run)(Words words);
};

std::span<const Step> SignalSteps();
std::span<const Step> ProcessSteps();
std::span<const Step> OutputSteps();
std::span<const Step> InspectSteps();
std::span<const Step> NetworkSteps();

// A number in decimal; anything else ends the program with 64.
long Number(const std::string& word);

// Writes all of it with write(2), without a buffer of our own; EPIPE and the like end the program
// with 74, as they would a real one.
void WriteAll(int fd, std::string_view bytes);

// Sleeps through signals that are handled or ignored.
void SleepMilliseconds(long milliseconds);

// The monotonic clock in nanoseconds, as a line at the end of the file.
void AppendClock(const std::string& path);

// One line to stdout.
void Say(std::string_view line);

// Ends the program with 71 and errno's message if `result` is negative.
long Need(long result, std::string_view what);

}  // namespace misbehave
