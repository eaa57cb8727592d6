// Output that goes to no file: to a journal that the test plays, to standard output, to nobody.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <optional>
#include <thread>

#include "daemon/output/log_journal.h"
#include "tests/daemon/output_support.h"

namespace oxherd::test {
namespace {

// What journald's socket is: datagrams, one for each entry.
class Journal {
 public:
  explicit Journal(const std::string& path) {
    ::unlink(path.c_str());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    socket_ = os::Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
  }
  // The next entry; nothing if none comes within the time.
  [[nodiscard]] std::optional<std::string> Next(Millis within = Seconds(10)) const {
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, static_cast<int>(within.count())) != 1) return std::nullopt;
    std::string entry(128UL * 1024, '\0');
    const ssize_t size = recv(socket_.get(), entry.data(), entry.size(), 0);
    REQUIRE(size >= 0);
    entry.resize(static_cast<std::size_t>(size));
    return entry;
  }
  [[nodiscard]] std::string Message() const {
    const auto entry = Next();
    REQUIRE(entry);
    const std::size_t at = entry->find("\nMESSAGE=");
    REQUIRE(at != std::string::npos);
    return entry->substr(at + 9, entry->size() - at - 10);
  }

 private:
  os::Fd socket_;
};

OutputSource SourceElsewhere(LogTo to, const Program& program, std::uint64_t token = 1) {
  OutputSource source = SourceTo("/dev/null", program, token);
  source.logs.to = to;
  return source;
}

TEST_SUITE("output elsewhere") {
  TEST_CASE("each line is one entry of the journal, with its service, instance and priority") {
    const Folder folder;
    const Journal journal(folder / "socket");
    const Program program;
    Log log({.journal = folder / "socket"});
    log->Attach(SourceElsewhere(LogTo::kJournal, program));
    program.Prints("hello\n<3>it burns\nhalf");
    CHECK(journal.Next() ==
          "PRIORITY=6\nSYSLOG_IDENTIFIER=api\nOXHERD_SERVICE=api\nOXHERD_INSTANCE=api/0\n"
          "MESSAGE=hello\n");
    const auto second = journal.Next();
    REQUIRE(second);
    CHECK(second->starts_with("PRIORITY=3\n"));
    CHECK(second->ends_with("MESSAGE=it burns\n"));
    program.Prints(" a line\n\nthe last one, unfinished");
    CHECK(journal.Message() == "half a line");
    log.Finish();
    CHECK(journal.Message() == "the last one, unfinished");
  }

  TEST_CASE(
      "a journal that takes nothing holds its instances back, loses nothing, and nobody else "
      "waits") {
    const Folder folder;
    const Journal journal(folder / "socket");
    const Program slow;
    const Program other;
    Log log({.journal = folder / "socket"});
    log->Attach(SourceElsewhere(LogTo::kJournal, slow, 1));
    log->Attach(SourceTo(folder / "other.log", other, 2));
    constexpr int kLines = 20'000;  // far more than queue and pipe hold
    std::thread printing([&] { slow.Prints(NumberedLines(0, kLines)); });
    other.Prints("done\n");
    Eventually([&] { return Contents(folder / "other.log") == "done\n"; }, "the other's line");
    std::string all;
    for (int line = 0; line < kLines; ++line) all += journal.Message() + "\n";
    printing.join();
    CHECK(all == NumberedLines(0, kLines));
  }

  TEST_CASE("without a journal lines are dropped, it is said once, and again when there is one") {
    const Folder folder;
    const Program program;
    Log log({.journal = folder / "socket"});
    log->Attach(SourceElsewhere(LogTo::kJournal, program));
    program.Prints("lost\n");
    const auto trouble = log.Next<output_event::Trouble>();
    CHECK(trouble.text.contains("the journal cannot be reached"));
    const Journal journal(folder / "socket");
    std::optional<std::string> entry;
    const Instant deadline = os::Now() + Seconds(10);
    while (!entry && os::Now() < deadline) {
      program.Prints("again\n");
      entry = journal.Next(Millis(50));
    }
    REQUIRE(entry);
    CHECK(entry->ends_with("MESSAGE=again\n"));
    CHECK(log.Next<output_event::Trouble>().text.starts_with("the journal is there again; "));
    CHECK_FALSE(log.Has<output_event::Trouble>());
  }

  TEST_CASE("a journal that was restarted gets the next line") {
    const Folder folder;
    const Program program;
    Log log({.journal = folder / "socket"});
    log->Attach(SourceElsewhere(LogTo::kJournal, program));
    {
      const Journal before(folder / "socket");
      program.Prints("first\n");
      CHECK(before.Message() == "first");
    }
    const Journal after(folder / "socket");
    program.Prints("second\n");
    CHECK(after.Message() == "second");
  }

  TEST_CASE("to standard output goes who asked for it, and nobody else") {
    const Folder folder;
    const Program asked;
    const Program silent;
    const Program filed;
    const os::Fd out(open((folder / "stdout").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    Log log({.echo = Echo::kPrefixed, .echoed = Echoed::kAsked, .echo_to = out.get()});
    log->Attach(SourceElsewhere(LogTo::kStdout, asked, 1));
    log->Attach(SourceElsewhere(LogTo::kNone, silent, 2));
    log->Attach(SourceTo(folder / "x.log", filed, 3));
    silent.Prints("silent\n");
    filed.Prints("filed\n");
    asked.Prints("asked\n");
    log.Finish(2);
    log.Finish(3);
    log.Finish(1);
    CHECK(Contents(folder / "stdout") == "api/0 │ asked\n");
    CHECK(Contents(folder / "x.log") == "filed\n");
  }

  TEST_CASE("in the foreground everybody is shown but who prints for nobody or the journal") {
    const Folder folder;
    const Journal journal(folder / "socket");
    const Program usual;
    const Program silent;
    const Program journalled;
    const os::Fd out(open((folder / "stdout").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    Log log({.echo = Echo::kRaw, .echo_to = out.get(), .journal = folder / "socket"});
    log->Attach(SourceTo("/dev/null", usual, 1));
    log->Attach(SourceElsewhere(LogTo::kNone, silent, 2));
    log->Attach(SourceElsewhere(LogTo::kJournal, journalled, 3));
    silent.Prints("silent\n");
    journalled.Prints("journalled\n");
    usual.Prints("usual\n");
    for (const std::uint64_t token : {2U, 3U, 1U}) log.Finish(token);
    CHECK(Contents(folder / "stdout") == "usual\n");
    CHECK(journal.Message() == "journalled");
  }

  TEST_CASE("the line that proves readiness is found wherever output goes") {
    const Program program;
    Log log;
    OutputSource source = SourceElsewhere(LogTo::kNone, program);
    source.ready_log = "listening";
    log->Attach(std::move(source));
    program.Prints("now listening\n");
    CHECK(log.Next<output_event::ReadyLine>().token == Token(1));
  }

  TEST_CASE("logs and their indexes get the mode that the Oxfile says, also after a rotation") {
    const Folder folder;
    const Program program;
    Log log;
    OutputSource source = SourceTo(folder / "x.log", program);
    source.logs.mode = 0640;
    source.logs.max_bytes = 1000;
    source.logs.max_files = 3;
    log->Attach(std::move(source));
    program.Prints(NumberedLines(0, 300));
    log.Finish();
    for (const char* name : {"x.log", "x.log.1", "x.log.idx"}) {
      struct stat about{};
      REQUIRE_MESSAGE(stat((folder / name).c_str(), &about) == 0, name);
      CHECK_MESSAGE((about.st_mode & 0777U) == 0640U, name);
    }
  }
}

}  // namespace
}  // namespace oxherd::test
