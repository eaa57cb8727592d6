#include "daemon/daemon_log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <utility>
#include <vector>

namespace oxherd {
namespace {

spdlog::level::level_enum LevelOf(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return spdlog::level::err;
    case Severity::kWarn:
      return spdlog::level::warn;
    case Severity::kInfo:
      return spdlog::level::info;
    case Severity::kDebug:
      return spdlog::level::debug;
  }
  return spdlog::level::info;
}

}  // namespace

class DaemonLog::Sinks {
 public:
  Sinks(std::string& path, Copy copy) : logger_("oxherd") {
    std::string trouble;
    if (!path.empty()) {
      try {
        logger_.sinks().push_back(std::make_shared<spdlog::sinks::rotating_file_sink_st>(
            path, kMaxDaemonLogBytes, kDaemonLogFiles - 1));
      } catch (const spdlog::spdlog_ex& exception) {
        trouble = exception.what();
        path.clear();
      }
    }
    if (path.empty() || copy == Copy::kToStderr) {
      logger_.sinks().push_back(std::make_shared<spdlog::sinks::stderr_sink_st>());
    }
    logger_.set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    logger_.flush_on(spdlog::level::debug);
    // A line that cannot be written is lost; there is nowhere left to say so.
    logger_.set_error_handler([](const std::string&) {});
    if (!trouble.empty()) logger_.log(spdlog::level::warn, "daemon.log: " + trouble);
  }

  spdlog::logger& logger() { return logger_; }

 private:
  spdlog::logger logger_;
};

DaemonLog::DaemonLog(const std::string& path, Copy copy)
    : path_(path), sinks_(std::make_unique<Sinks>(path_, copy)) {}

DaemonLog::~DaemonLog() = default;

void DaemonLog::SetLevel(Severity least) { sinks_->logger().set_level(LevelOf(least)); }

bool DaemonLog::Wants(Severity severity) const {
  return sinks_->logger().should_log(LevelOf(severity));
}

void DaemonLog::Write(Severity severity, std::string_view line) {
  sinks_->logger().log(LevelOf(severity), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace oxherd
