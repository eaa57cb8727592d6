#include "daemon/output/output_log.h"

#include <utility>

#include "daemon/output/log_rotation.h"
#include "daemon/output/log_thread.h"
#include "os/log_file.h"

namespace oxherd {

Result<std::unique_ptr<OutputLog>> OutputLog::Open(const Options& options) {
  OXHERD_TRY_ASSIGN(auto thread, OutputThread::Start(options));
  return std::unique_ptr<OutputLog>(new OutputLog(std::move(thread)));
}

OutputLog::OutputLog(std::unique_ptr<OutputThread> thread) : thread_(std::move(thread)) {}

OutputLog::~OutputLog() = default;

void OutputLog::Attach(OutputSource source) { thread_->mailbox().Post(std::move(source)); }

void OutputLog::Detach(Token token) { thread_->mailbox().Post(OutputMailbox::Detach{token}); }

void OutputLog::SetMaxTotal(std::uint64_t bytes) {
  thread_->mailbox().Post(OutputMailbox::SetMaxTotal{bytes});
}

void OutputLog::StopMatching(Token token) {
  thread_->mailbox().Post(OutputMailbox::StopMatching{token});
}

void OutputLog::RequestTail(TailQuestion question) { thread_->mailbox().Post(std::move(question)); }

int OutputLog::event_fd() const { return thread_->mailbox().event_fd(); }

std::vector<OutputEvent> OutputLog::TakeEvents() { return thread_->mailbox().TakeEvents(); }

Status OpenLogs(OutputSource& source) {
  const std::string& out = source.logs.out_path;
  const std::string& err = source.logs.err_path;
  if (source.out_writer == source.err_writer) {
    const Writing writing(source.out_writer);
    OXHERD_TRY_ASSIGN(os::LogFiles files, os::OpenLogFiles(out, err));
    source.out_file = std::move(files.first);
    source.err_file = std::move(files.second);
    return {};
  }
  {
    const Writing writing(source.out_writer);
    OXHERD_TRY_ASSIGN(source.out_file, os::OpenLogFile(out));
  }
  const Writing writing(source.err_writer);
  OXHERD_TRY_ASSIGN(source.err_file, os::OpenLogFile(err));
  return {};
}

}  // namespace oxherd
