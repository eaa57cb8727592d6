#include "daemon/upgrade.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "daemon/store/image.h"
#include "keeper/succession.h"
#include "os/background_program.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/own_process.h"
#include "os/process.h"

namespace oxherd {
namespace {

constexpr std::size_t kMostWords = std::size_t{64} * 1024;

// The last line that is not empty.
std::string LastLine(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

int CheckImage(int image) {
  const auto fail = [](const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    return 1;
  };
  Result<Image> opened = Image::Open(os::Fd(image));
  if (!opened) return fail(opened.error().message);
  const Result<std::optional<State>> state = opened->Load();
  if (!state) return fail(state.error().message);
  if (!*state) return fail("the image is empty");
  std::printf("protocol %d\n", static_cast<int>(keeper::kProtocolVersion));
  return 0;
}

Result<std::unique_ptr<Upgrade>> Upgrade::Begin(Loop& loop, const Arguments& arguments,
                                                Programs programs, os::Fd image,
                                                std::function<void(Status)> done) {
  std::unique_ptr<Upgrade> upgrade(
      new Upgrade(loop, arguments, std::move(programs), std::move(image), std::move(done)));
  OXHERD_TRY(upgrade->CheckDaemon());
  return upgrade;
}

Upgrade::Upgrade(Loop& loop, const Arguments& arguments, Programs programs, os::Fd image,
                 std::function<void(Status)> done)
    : loop_(loop),
      arguments_(arguments),
      programs_(std::move(programs)),
      image_(std::move(image)),
      done_(std::move(done)),
      output_(arguments.runtime_folder + "/upgrade.out") {}

Upgrade::~Upgrade() {
  if (pidfd_) static_cast<void>(os::SendSignal(pidfd_.get(), SIGKILL).has_value());
  ::unlink(output_.c_str());
}

Status Upgrade::Start(const std::string& program, const std::vector<std::string>& words,
                      int passed) {
  ::unlink(output_.c_str());
  program_ = program;
  os::BackgroundProgram check;
  check.path = program;
  check.arguments = words;
  for (const auto& [name, value] : os::OwnEnvironment()) {
    check.environment.push_back(fmt::format("{}={}", name, value));
  }
  check.output = output_;
  check.passed = passed;
  OXHERD_TRY_ASSIGN(pidfd_, os::StartInBackground(check));
  deadline_ = os::Now() + kPatience;
  watch_ = loop_.WatchFor(Loop::For::kReading, pidfd_.get(), [this] { OnEnded(); });
  return {};
}

Status Upgrade::CheckDaemon() {
  return Start(programs_.daemon,
               {"--state", arguments_.state_folder, "--runtime", arguments_.runtime_folder,
                "--check-image", std::to_string(image_.get())},
               image_.get());
}

Status Upgrade::CheckKeeper() {
  return Start(programs_.keeper,
               {"--check", arguments_.runtime_folder + "/" + keeper::kJournalName}, -1);
}

void Upgrade::OnEnded() {
  watch_.reset();
  deadline_ = kNever;
  const std::optional<ExitStatus> status = os::ReapByPidfd(pidfd_.get());
  pidfd_.Reset();
  const std::string said = LastLine(os::ReadFile(output_, kMostWords).value_or(""));
  if (!status || !status->success()) {
    return Finish(MakeError(program_ + " cannot go on from here: " +
                            (said.empty() ? status.value_or(ExitStatus{}).Text() : said) +
                            "; the old one stays"));
  }
  if (!daemon_said_) {
    daemon_said_ = said;
    if (Status begun = CheckKeeper(); !begun) Finish(std::move(begun));
    return;
  }
  if (*daemon_said_ != said) {
    return Finish(MakeError(programs_.daemon + " speaks " + *daemon_said_ + ", and " +
                            programs_.keeper + " speaks " + said +
                            ": they are of different versions; the old ones stay"));
  }
  Finish({});
}

void Upgrade::OnTime(Instant now) {
  if (now < deadline_) return;
  watch_.reset();
  deadline_ = kNever;
  static_cast<void>(os::SendSignal(pidfd_.get(), SIGKILL).has_value());
  Finish(MakeError(program_ + " did not say within 10 s that it can go on from here; the old one "
                              "stays"));
}

void Upgrade::Finish(Status status) { std::exchange(done_, {})(std::move(status)); }

}  // namespace oxherd
