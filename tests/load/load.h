// Sends HTTP requests to a service while a test does things to it, and counts each one that failed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace oxherd::load {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

enum class Clients {
  kFresh,      // a connection for each request
  kKeepAlive,  // a connection is used until the server says that an answer is its last, or ends it
  kSilent,     // connects and says nothing, ever
};

// Why a request failed. "Before" and "inside": of the answer's first byte.
enum class Cause {
  kRefused,
  kResetBefore,
  kResetInside,
  kClosedBefore,
  kClosedInside,
  kStatus,    // not 200
  kBody,      // not what was expected, or no HTTP
  kTimedOut,  // no whole answer in time, connecting included
  kOther,     // connect(2) failed in another way
};
std::string_view NameOf(Cause cause);

struct Plan {
  std::string host = "127.0.0.1";  // a numeric address, IPv4 or IPv6
  std::uint16_t port = 0;
  std::string path = "/";
  Clients clients = Clients::kFresh;
  std::size_t connections = 32;
  std::string body_has;     // what every body must contain
  std::string source = {};  // the clients' own address; empty: the kernel's choice
  milliseconds pause{0};    // between an answer and the next request of the same client
  milliseconds request_timeout{15000};
  std::size_t max_requests = 0;             // then it ends by itself; 0: no limit
  seconds max_time{600};                    // so does it after this time
  std::function<void()> in_thread = [] {};  // first thing in the thread that makes the sockets
};

struct Failure {
  Cause cause = Cause::kOther;
  milliseconds at{};  // since the start of the load
  milliseconds
      after{};  // since the start of the request, or of the connection where it was made for it
  std::string detail;  // e.g. "500" or "errno 104"
  std::string client;  // source port, to be found in logs and traces
};

struct Counts {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
  std::uint64_t connections = 0;  // that were made
  std::map<Cause, std::uint64_t> causes;
  std::vector<Failure> failures;                // the first kMaxFailures
  std::map<std::string, std::uint64_t> bodies;  // first lines of bodies, and how often; bounded too
  std::uint64_t let_go =
      0;  // idle or silent connections that the server ended, which is no failure
  milliseconds longest_gap{};  // between two successes
  std::int64_t took_ms = 0;
  std::vector<std::uint32_t> latencies;  // microseconds of each success, sorted; bounded

  [[nodiscard]] std::uint64_t of(Cause cause) const;
  // The latency that a part (0…1) of the requests did not exceed; 0 without any.
  [[nodiscard]] microseconds Latency(double part) const;
  // A line for people: what came of it, and the first failures.
  [[nodiscard]] std::string Told() const;
  [[nodiscard]] std::string Json() const;
};

inline constexpr std::size_t kMaxFailures = 20;
inline constexpr std::size_t kMaxBodies = 1000;
inline constexpr std::size_t kMaxLatencies = 2000000;

struct Progress;

// One thread that carries out a plan, from construction to Finish().
class Load {
 public:
  explicit Load(Plan plan);
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load();

  // Answered well so far, and failed so far.
  [[nodiscard]] std::uint64_t ok() const;
  [[nodiscard]] std::uint64_t failed() const;
  // Connections that are established now.
  [[nodiscard]] std::size_t established() const;

  // Begins no more requests, lets those in flight end (at most request_timeout), and counts. Called
  // once. Throws what made the plan impossible.
  Counts Finish();
  // Blocks until max_requests or max_time ends it; else as Finish().
  Counts RunToEnd();

 private:
  Plan plan_;
  std::unique_ptr<Progress> progress_;
  Counts counts_;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace oxherd::load
