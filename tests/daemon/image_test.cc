#include "daemon/store/image.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/codec.h"
#include "tests/daemon/sample_state.h"

namespace oxherd {
namespace {

// The memfd as the keeper holds it: each daemon gets a duplicate.
class Memfd {
 public:
  Memfd() : fd_(os::MakeMemfd("test").value()) {}
  [[nodiscard]] Image Map() const { return Image::Open(os::Duplicate(fd_.get()).value()).value(); }
  [[nodiscard]] std::uint64_t size() const {
    struct stat facts{};
    REQUIRE(fstat(fd_.get(), &facts) == 0);
    return static_cast<std::uint64_t>(facts.st_size);
  }
  // Memory behind it, in bytes.
  [[nodiscard]] std::uint64_t memory() const {
    struct stat facts{};
    REQUIRE(fstat(fd_.get(), &facts) == 0);
    return static_cast<std::uint64_t>(facts.st_blocks) * 512;
  }
  [[nodiscard]] int get() const { return fd_.get(); }

 private:
  os::Fd fd_;
};

State MustLoad(Image& image) {
  auto loaded = image.Load();
  REQUIRE(loaded);
  REQUIRE(*loaded);
  return std::move(**loaded);
}

// Flips every bit of one byte.
void Spoil(int fd, std::uint64_t offset) {
  unsigned char byte = 0;
  REQUIRE(pread(fd, &byte, 1, static_cast<off_t>(offset)) == 1);
  byte = static_cast<unsigned char>(~byte);
  REQUIRE(pwrite(fd, &byte, 1, static_cast<off_t>(offset)) == 1);
}

}  // namespace

TEST_CASE("an image that nothing was saved in holds nothing") {
  const Memfd memfd;
  Image image = memfd.Map();
  const auto loaded = image.Load();
  REQUIRE(loaded);
  CHECK_FALSE(*loaded);
}

TEST_CASE("what one daemon saves, the next one loads") {
  const Memfd memfd;
  State state = SampleState(3);
  {
    Image image = memfd.Map();
    for (int i = 0; i < 7; ++i) {
      Change(state.services[static_cast<std::size_t>(i) % 3]);
      state.next_token = state.next_token.Next();
      REQUIRE(image.Save(state));
    }
  }
  Image next = memfd.Map();
  CHECK(MustLoad(next) == state);
  Change(state.services[1]);
  REQUIRE(next.Save(state));
  Image third = memfd.Map();
  CHECK(MustLoad(third) == state);
}

TEST_CASE("services that come, go and come again under the same name are told apart") {
  const Memfd memfd;
  Image image = memfd.Map();
  State state = SampleState(3);
  REQUIRE(image.Save(state));
  REQUIRE(image.Save(state));
  Service old = state.services[1];
  state.services.erase(state.services.begin() + 1);
  REQUIRE(image.Save(state));
  // The same name and revision, another meaning.
  old.generation = Generation(9);
  old.last_generation = Generation(9);
  old.specs[0].generation = Generation(9);
  for (Slot& slot : old.slots) slot.current.generation = Generation(9);
  state.services.insert(state.services.begin() + 1, old);
  REQUIRE(image.Save(state));
  Image next = memfd.Map();
  CHECK(MustLoad(next) == state);
}

TEST_CASE("a damaged newest half gives way to the one before it") {
  const Memfd memfd;
  State before = SampleState(4);
  State after = before;
  {
    Image image = memfd.Map();
    REQUIRE(image.Save(before));
    Change(after.services[2]);
    REQUIRE(image.Save(after));
  }
  // The second Save() went to the first half. One of its bytes is turned around, any one that
  // counts.
  const std::string mark = "/srv/s2";
  std::vector<char> bytes(1024UL * 1024);
  const ssize_t size = pread(memfd.get(), bytes.data(), bytes.size(), 0);
  const std::string_view text(bytes.data(), static_cast<std::size_t>(size));
  const std::size_t place = text.find(mark);
  REQUIRE(place != std::string_view::npos);
  Spoil(memfd.get(), place);
  Image next = memfd.Map();
  CHECK(MustLoad(next) == before);
  // Going on from there leaves the half that holds in place until the new one is whole.
  REQUIRE(next.Save(after));
  Image third = memfd.Map();
  CHECK(MustLoad(third) == after);
}

TEST_CASE("an image in which nothing holds is an error, and can be written anew") {
  const Memfd memfd;
  State state = SampleState(2);
  {
    Image image = memfd.Map();
    REQUIRE(image.Save(state));
    Change(state.services[0]);
    REQUIRE(image.Save(state));
  }
  Spoil(memfd.get(), 16);                  // the checksum of the first half
  Spoil(memfd.get(), kMaxHalfBytes + 16);  // and of the second
  Image next = memfd.Map();
  CHECK_FALSE(next.Load());
  REQUIRE(next.Save(state));
  Image third = memfd.Map();
  CHECK(MustLoad(third) == state);
}

TEST_CASE("a header that claims what is not there is not followed") {
  const Memfd memfd;
  {
    Image image = memfd.Map();
    REQUIRE(image.Save(SampleState(2)));  // to the second half
  }
  const std::uint64_t count = std::uint64_t{1} << 60;
  REQUIRE(pwrite(memfd.get(), &count, sizeof count, static_cast<off_t>(kMaxHalfBytes + 24)) == 8);
  Image wrong_count = memfd.Map();
  CHECK_FALSE(wrong_count.Load());
  // A file that is cut off behind the directory.
  REQUIRE(ftruncate(memfd.get(), static_cast<off_t>(kMaxHalfBytes + 256UL * 1024)) == 0);
  const std::uint64_t three = 3;
  REQUIRE(pwrite(memfd.get(), &three, sizeof three, static_cast<off_t>(kMaxHalfBytes + 24)) == 8);
  Image cut_off = memfd.Map();
  CHECK_FALSE(cut_off.Load());
}

TEST_CASE("a daemon killed at any moment of saving leaves a whole state behind") {
  const Memfd memfd;
  constexpr int kRounds = 40;
  for (int round = 0; round < kRounds; ++round) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      // SIGALRM ends it as suddenly as SIGKILL, each time at another moment.
      const itimerval death{.it_interval = {},
                            .it_value = {.tv_sec = 0, .tv_usec = 1500 + 137 * round}};
      setitimer(ITIMER_REAL, &death, nullptr);
      Image image = memfd.Map();
      auto loaded = image.Load();
      State state = loaded && *loaded ? std::move(**loaded) : SampleState(20);
      for (;;) {
        // Every service says the same number: a mixture of two states would be seen.
        for (Service& service : state.services) Change(service);
        state.next_token = state.next_token.Next();
        if (!image.Save(state)) _exit(1);
      }
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    Image image = memfd.Map();
    auto loaded = image.Load();
    REQUIRE(loaded);
    if (!*loaded) continue;  // it died before its first Save() was done
    const State& state = **loaded;
    REQUIRE(state.services.size() == 20);
    const std::uint32_t count = state.services[0].slots[0].current.restarts;
    for (const Service& service : state.services) {
      REQUIRE(service.slots[0].current.restarts == count);
    }
    CHECK(state.next_token.number() == 17 + count);
  }
}

TEST_CASE("records grow, move and shrink, and the image grows with them, not with the turns") {
  const Memfd memfd;
  Image image = memfd.Map();
  State state = SampleState(10);
  for (int i = 0; i < 400; ++i) {
    Service& service = state.services[static_cast<std::size_t>(i) % 10];
    auto spec = SampleSpec(service.name);
    spec->command.argv.push_back(std::string(static_cast<std::size_t>(i % 97) * 100, 'x'));
    service.specs[0].spec = spec;
    Change(service);
    REQUIRE(image.Save(state));
  }
  Image next = memfd.Map();
  CHECK(MustLoad(next) == state);
  // 10 records of at most 12 KB each, twice, with room to grow and what was wasted by moving.
  CHECK(memfd.memory() < 2UL * 1024 * 1024);
}

TEST_CASE("a thousand services fit") {
  const Memfd memfd;
  Image image = memfd.Map();
  const State state = SampleState(1000);
  REQUIRE(image.Save(state));
  Image next = memfd.Map();
  CHECK(MustLoad(next) == state);
}

TEST_CASE("a state that is too large leaves no old one behind, and a smaller one is saved again") {
  const Memfd memfd;
  Image image = memfd.Map();
  State state = SampleState(2);
  REQUIRE(image.Save(state));
  State large = state;
  auto spec = SampleSpec("s0");
  spec->command.argv.push_back(std::string(kMaxHalfBytes, 'x'));
  large.services[0].specs[0].spec = spec;
  Change(large.services[0]);
  const Status failed = image.Save(large);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message.find("full") != std::string::npos);
  {
    Image next = memfd.Map();
    const auto loaded = next.Load();
    REQUIRE(loaded);
    CHECK_FALSE(*loaded);
  }
  Change(state.services[0]);
  REQUIRE(image.Save(state));
  Image next = memfd.Map();
  CHECK(MustLoad(next) == state);
}

TEST_CASE("memory that cannot be had is an error of Save(), not a death") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const Memfd memfd;
    Image image = memfd.Map();
    // fallocate(2) beyond it fails with EFBIG, and SIGXFSZ.
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 4096, .rlim_max = 4096};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    _exit(image.Save(SampleState(2)) ? 1 : 0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace oxherd
