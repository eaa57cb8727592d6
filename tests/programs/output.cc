// Steps about output: much, binary, partial, closed.
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>

#include "steps.h"

namespace misbehave {
namespace {

std::string Joined(Words words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

void SayWords(Words words) { Say(Joined(words)); }
void SayToStderr(Words words) { WriteAll(2, Joined(words) + "\n"); }
void Partial(Words words) { WriteAll(1, Joined(words)); }

// "line 0000001 ......" up to BYTES with the newline, as a program with a buffered stdout writes.
void Lines(Words words) {
  const long count = Number(words[0]);
  const std::size_t bytes = words.size() > 1 ? static_cast<std::size_t>(Number(words[1])) : 13;
  std::string buffer;
  char number[32];
  for (long i = 1; i <= count; ++i) {
    const int length = std::snprintf(number, sizeof number, "line %07ld", i);
    const auto used = static_cast<std::size_t>(length) + 1;
    buffer.append(number, static_cast<std::size_t>(length));
    buffer.append(bytes > used ? bytes - used : 0, '.');
    buffer += '\n';
    if (buffer.size() >= 65536 || i == count) {
      WriteAll(1, buffer);
      buffer.clear();
    }
  }
}

// One write per line, a pause after each.
void Drip(Words words) {
  for (long i = 1; i <= Number(words[0]); ++i) {
    Say("drip " + std::to_string(i));
    SleepMilliseconds(Number(words[1]));
  }
}

// A byte sequence that anybody can make again: xorshift64 from seed 1, lowest byte of each number.
void Binary(Words words) {
  std::uint64_t state = 1;
  std::string buffer;
  for (long i = 1; i <= Number(words[0]); ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    buffer += static_cast<char>(state & 0xff);
    if (buffer.size() == 4096) {
      WriteAll(1, buffer);
      buffer.clear();
    }
  }
  WriteAll(1, buffer);
}

void LongLine(Words words) {
  WriteAll(1, std::string(static_cast<std::size_t>(Number(words[0])), 'x') + "\n");
}

void CloseStdio(Words /*words*/) {
  for (int fd = 0; fd < 3; ++fd) {
    close(fd);
  }
}

void Clock(Words words) { AppendClock(words[0]); }

constexpr std::array kSteps{
    Step{"say", "WORD...", 0, SayWords},
    Step{"say-err", "WORD...", 0, SayToStderr},
    Step{"partial", "WORD...: no newline", 0, Partial},
    Step{"lines", "COUNT [BYTES]", 1, Lines},
    Step{"drip", "COUNT MILLISECONDS", 2, Drip},
    Step{"binary", "BYTES", 1, Binary},
    Step{"long-line", "BYTES", 1, LongLine},
    Step{"close-stdio", "", 0, CloseStdio},
    Step{"clock", "FILE", 1, Clock},
};

}  // namespace

std::span<const Step> OutputSteps() { return kSteps; }

}  // namespace misbehave
