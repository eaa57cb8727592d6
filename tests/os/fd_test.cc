#include "os/fd.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "os/clock.h"
#include "os/message_socket.h"
#include "os/poller.h"
#include "tests/os/scratch.h"

namespace oxherd::os {
namespace {

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
bool ClosesOnExec(int fd) { return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST_CASE("a descriptor has one owner and is closed with it") {
  int number = -1;
  {
    auto pipe = MakePipe(PipeReading::kBlocks);
    REQUIRE(pipe.has_value());
    number = pipe->read_end.get();
    Fd other = std::move(pipe->read_end);
    CHECK_FALSE(pipe->read_end);
    CHECK(other.get() == number);
    CHECK(IsOpen(number));
    Fd& same = other;
    other = std::move(same);
    CHECK(IsOpen(number));
  }
  CHECK_FALSE(IsOpen(number));
}

TEST_CASE("everything is close-on-exec from the call that made it") {
  auto pipe = MakePipe(PipeReading::kDoesNotBlock);
  auto pair = MakeMessagePair();
  auto memory = MakeMemfd("test");
  auto poller = Poller::Open();
  REQUIRE(pipe.has_value());
  REQUIRE(pair.has_value());
  REQUIRE(memory.has_value());
  auto duplicate = Duplicate(memory->get(), 100);
  auto anew = OpenAnew(pipe->read_end.get(), O_RDWR);
  REQUIRE(duplicate.has_value());
  REQUIRE(anew.has_value());
  CHECK(duplicate->get() >= 100);
  for (const Fd* one : {&pipe->read_end, &pipe->write_end, &pair->ours, &pair->theirs, &*memory,
                        &*duplicate, &*anew}) {
    CHECK(ClosesOnExec(one->get()));
  }
}

TEST_CASE("a pipe that does not block for its reader blocks for its writer") {
  auto pipe = MakePipe(PipeReading::kDoesNotBlock);
  REQUIRE(pipe.has_value());
  CHECK((::fcntl(pipe->read_end.get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(pipe->write_end.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a pipe opened anew from its read end can be written, and has a reader of its own") {
  auto pipe = MakePipe(PipeReading::kBlocks);
  REQUIRE(pipe.has_value());
  auto both = OpenAnew(pipe->read_end.get(), O_RDWR);
  REQUIRE(both.has_value());
  pipe->read_end.Reset();
  CHECK(::write(both->get(), "x", 1) == 1);  // no SIGPIPE
  char byte = 0;
  CHECK(::read(both->get(), &byte, 1) == 1);
}

TEST_CASE("a sealed memfd holds its bytes and cannot be changed") {
  auto file = MakeSealedMemfd("test", BytesOf("frozen"));
  REQUIRE(file.has_value());
  CHECK(IsSealed(file->get()));
  CHECK(::pwrite(file->get(), "x", 1, 0) < 0);
  CHECK(::ftruncate(file->get(), 1) < 0);
  auto mapping = Mapping::Open(file->get(), 100);
  REQUIRE(mapping.has_value());
  const auto* text = reinterpret_cast<const char*>(mapping->bytes().data());
  CHECK(std::string(text, mapping->bytes().size()) == "frozen");
  CHECK(Mapping::Open(file->get(), 5).error().number == EFBIG);
}

TEST_CASE("what is not a sealed memfd is not taken for one") {
  auto growing = MakeMemfd("test");
  auto pipe = MakePipe(PipeReading::kBlocks);
  CHECK_FALSE(IsSealed(growing->get()));
  CHECK_FALSE(IsSealed(pipe->read_end.get()));
  CHECK(Mapping::Open(growing->get(), 100).error().number == EFBIG);  // empty
}

TEST_CASE("a message arrives whole, with its descriptors, or not at all") {
  auto pair = MakeMessagePair();
  auto pipe = MakePipe(PipeReading::kBlocks);
  REQUIRE(pair.has_value());
  REQUIRE(pipe.has_value());
  std::array<std::byte, 64> buffer{};
  CHECK(ReceiveMessage(pair->theirs.get(), buffer).error().number == EAGAIN);
  const std::array numbers = {pipe->read_end.get(), pipe->write_end.get()};
  REQUIRE(SendMessage(pair->ours.get(), BytesOf("hello"), numbers).has_value());
  auto received = ReceiveMessage(pair->theirs.get(), buffer);
  REQUIRE(received.has_value());
  CHECK(received->size == 5);
  CHECK(received->complete);
  CHECK(received->descriptor_count == 2);
  CHECK(ClosesOnExec(received->descriptors[0].get()));
  REQUIRE(::write(received->descriptors[1].get(), "!", 1) == 1);
  char byte = 0;
  CHECK(::read(pipe->read_end.get(), &byte, 1) == 1);
}

TEST_CASE("a message longer than its buffer is known to be incomplete") {
  auto pair = MakeMessagePair();
  REQUIRE(SendMessage(pair->ours.get(), BytesOf("longer than four"), {}).has_value());
  std::array<std::byte, 4> buffer{};
  auto received = ReceiveMessage(pair->theirs.get(), buffer);
  REQUIRE(received.has_value());
  CHECK_FALSE(received->complete);
}

TEST_CASE(
    "a full message socket says so and blocks nobody; a closed one is an error, not a signal") {
  auto pair = MakeMessagePair();
  const std::string block(200, 'x');
  int sent = 0;
  SystemStatus status;
  while ((status = SendMessage(pair->ours.get(), BytesOf(block), {}))) ++sent;
  CHECK(status.error().number == EAGAIN);
  CHECK(sent > 100);
  pair->theirs.Reset();
  const int number = SendMessage(pair->ours.get(), BytesOf(block), {}).error().number;
  CHECK((number == EPIPE || number == ECONNRESET));
}

TEST_CASE("the poller waits until its time and not longer, and says who is ready") {
  auto poller = Poller::Open();
  auto pipe = MakePipe(PipeReading::kDoesNotBlock);
  REQUIRE(poller.has_value());
  REQUIRE(poller->Add(pipe->read_end.get(), Wanted::kReadable, 42).has_value());
  std::array<Ready, 4> places;
  const Instant until = Now() + Millis(20);
  CHECK(poller->Wait(until, places).empty());
  CHECK(Now() >= until);
  REQUIRE(::write(pipe->write_end.get(), "x", 1) == 1);
  const auto ready = poller->Wait(kNever, places);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].key == 42);
  CHECK(ready[0].readable);
  poller->Remove(pipe->read_end.get());
  CHECK(poller->Wait(Now(), places).empty());
}

}  // namespace
}  // namespace oxherd::os
