// A small HTTP/1.1 server for metrics and the JSON API: one request for each connection, bounded in
// every way, on the daemon's loop.
//
// It knows nothing of what it serves. A client that is slow, too large or makes no sense is
// answered with an error, or closed, by its deadline; none of them holds up another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): Boost's name
}

namespace oxherd {

struct HttpRequest {
  std::string method;
  std::string target;  // path and query, as they came
  std::string accept;  // the header
  std::string token;   // of "Authorization: Bearer TOKEN"; empty: none
  std::string body;
  // All of them, as many as HttpLimits lets in; names in lower case.
  std::vector<std::pair<std::string, std::string>> headers = {};

  // Empty: it is not there. `name` in lower case.
  [[nodiscard]] std::string Header(std::string_view name) const;
};

struct HttpResponse {
  std::uint16_t status = 200;
  std::string type = "application/json";
  std::string body;
  std::string allow = {};  // 405: the methods that are
};

struct HttpLimits {
  std::size_t clients = 64;  // more are closed at once
  std::uint32_t header_bytes = 8192;
  std::size_t body_bytes = 4096;
  // What is below this path may be larger; empty: nothing.
  std::string large_path = {};
  std::size_t large_body_bytes = std::size_t{1024} * 1024;
  Millis request{5000};                      // from connecting to the end of the request
  Millis response{30000};                    // for the client to take the answer
  Millis answer = std::chrono::minutes(30);  // for what was asked to be done
};

class HttpServer {
 public:
  // Answers one request, at once or later, once; from the loop. What comes after the client has
  // gone is dropped.
  using Respond = std::function<void(HttpResponse)>;
  // Returns what to call if the client goes before its answer; may be empty.
  using Handle = std::function<std::function<void()>(const HttpRequest& request, Respond respond)>;

  // Listens at "host:port" (an address, or localhost). Source: bind(2), RFC 9112.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> Open(boost::asio::io_context& loop,
                                                                const std::string& address,
                                                                Handle handle,
                                                                const HttpLimits& limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;

  class Impl;  // in http_server.cc

 private:
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace oxherd
