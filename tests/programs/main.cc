#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "steps.h"

namespace misbehave {

long Number(const std::string& word) {
  long number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) {
    std::fprintf(stderr, "misbehave: \"%s\" is not a number\n", word.c_str());
    _exit(64);
  }
  return number;
}

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      _exit(74);
    }
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }
}

void SleepMilliseconds(long milliseconds) {
  timespec left{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

void AppendClock(const std::string& path) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int fd = static_cast<int>(
      Need(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), "open " + path));
  WriteAll(fd, std::to_string(now.tv_sec * 1'000'000'000 + now.tv_nsec) + "\n");
  close(fd);
}

void Say(std::string_view line) { WriteAll(1, std::string(line) + "\n"); }

long Need(long result, std::string_view what) {
  if (result < 0) {
    WriteAll(2, "misbehave: " + std::string(what) + ": " + std::strerror(errno) + "\n");
    _exit(71);
  }
  return result;
}

namespace {

const Step* Find(std::string_view name) {
  for (const auto steps :
       {SignalSteps(), ProcessSteps(), OutputSteps(), InspectSteps(), NetworkSteps()}) {
    for (const Step& step : steps) {
      if (step.name == name) {
        return &step;
      }
    }
  }
  return nullptr;
}

void Take(Words words) {
  const Step* step = words.empty() ? nullptr : Find(words.front());
  if (step == nullptr) {
    std::fprintf(stderr, "misbehave: no step \"%s\"\n", words.empty() ? "" : words.front().c_str());
    _exit(64);
  }
  if (words.size() - 1 < step->least_words) {
    std::fprintf(stderr, "misbehave: %s %s\n", words.front().c_str(),
                 std::string(step->usage).c_str());
    _exit(64);
  }
  step->run(words.subspan(1));
}

}  // namespace
}  // namespace misbehave

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= words.size(); ++i) {
    if (i == words.size() || words[i] == "then") {
      misbehave::Take(misbehave::Words(words).subspan(begin, i - begin));
      begin = i + 1;
    }
  }
  return 0;
}
