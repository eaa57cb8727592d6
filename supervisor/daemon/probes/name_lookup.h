// Addresses of host names, without holding up the loop.
//
// An address is itself, `localhost` is 127.0.0.1 and then ::1; every other name is asked of the
// system (getaddrinfo(3)) on a thread that the caller lends, with at most 1 s for each name server,
// and remembered for a while.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): Boost's name
}

namespace oxherd {

class NameLookup {
 public:
  // Runs a job that may block, on another thread, before the loop is destroyed or never.
  using RunOffLoop = std::function<void(std::function<void()>)>;
  // Textual addresses, in the order in which to try them; never empty.
  using Found = std::function<void(const Result<std::vector<std::string>>&)>;

  NameLookup(boost::asio::io_context& loop, RunOffLoop run_off_loop);
  ~NameLookup();
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;

  // Calls `found` on the loop's thread; from within Ask() where the answer is known. The same name
  // is not asked twice at the same time.
  void Ask(const std::string& host, Found found);

  static constexpr Duration kRemember = Seconds(10);
  static constexpr std::size_t kMaxRemembered = 256;

 private:
  struct Entry {
    Result<std::vector<std::string>> addresses;
    Instant until{};
  };
  void Learn(const std::string& host, Result<std::vector<std::string>> addresses);

  boost::asio::io_context& loop_;
  RunOffLoop run_off_loop_;
  std::map<std::string, Entry> known_;
  std::map<std::string, std::vector<Found>> asked_;
  std::shared_ptr<NameLookup*> self_;  // jobs may outlive us
};

}  // namespace oxherd
