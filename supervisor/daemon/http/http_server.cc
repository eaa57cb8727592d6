#include "daemon/http/http_server.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <list>
#include <optional>
#include <string_view>
#include <utility>

#include "config/endpoint.h"

namespace oxherd {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// After the last byte of an answer, for what the client is still sending: closing at once would
// reset the connection, and the answer with it.
constexpr Millis kLinger{1000};
constexpr Millis kAcceptPause{100};

std::string TokenIn(std::string_view authorization) {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view scheme = authorization.substr(0, kBearer.size());
  if (!beast::iequals({scheme.data(), scheme.size()}, {kBearer.data(), kBearer.size()})) {
    return {};
  }
  return std::string(authorization.substr(kBearer.size()));
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

HttpResponse Plain(std::uint16_t status, std::string text) {
  return {.status = status, .type = "text/plain; charset=utf-8", .body = std::move(text) + "\n"};
}

// One client, from its first byte to its last. Its handlers keep it alive.
class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(tcp::socket socket, const HttpLimits& limits, const HttpServer::Handle& handle)
      : stream_(std::move(socket)),
        limits_(limits),
        handle_(handle),
        answer_by_(stream_.get_executor()) {
    parser_.header_limit(limits.header_bytes);
    parser_.body_limit(std::max(limits.body_bytes, limits.large_body_bytes));
  }

  void Begin(std::function<void()> ended) {
    ended_ = std::move(ended);
    stream_.expires_after(limits_.request);
    http::async_read_header(
        stream_, buffer_, parser_,
        [self = shared_from_this()](const error_code& error, std::size_t /*size*/) {
          self->OnHeader(error);
        });
  }

  // The server goes.
  void Abandon() {
    ended_ = nullptr;
    End();
  }

 private:
  // How long the body may be depends on what it is for.
  void OnHeader(const error_code& error) {
    if (error || is_over_) return OnRequest(error);
    const beast::string_view target = parser_.get().target();
    const bool is_large =
        !limits_.large_path.empty() &&
        std::string_view(target.data(), target.size()).starts_with(limits_.large_path);
    const std::size_t most = is_large ? limits_.large_body_bytes : limits_.body_bytes;
    const auto size = parser_.content_length();
    if (size && *size > most) return OnRequest(make_error_code(http::error::body_limit));
    parser_.body_limit(most);
    http::async_read(stream_, buffer_, parser_,
                     [self = shared_from_this()](const error_code& failed, std::size_t /*size*/) {
                       self->OnRequest(failed);
                     });
  }

  void OnRequest(const error_code& error) {
    if (is_over_) return;
    if (error == http::error::header_limit) return Answer(Plain(431, "the headers are too long"));
    if (error == http::error::body_limit) return Answer(Plain(413, "the body is too long"));
    if (error == http::error::end_of_stream || error == beast::error::timeout) return End();
    if (error.category() == http::make_error_code(http::error::bad_method).category()) {
      return Answer(Plain(400, "this is no HTTP request: " + error.message()));
    }
    if (error) return End();
    auto& message = parser_.get();
    const auto text = [](beast::string_view view) { return std::string(view.data(), view.size()); };
    HttpRequest request{.method = text(message.method_string()),
                        .target = text(message.target()),
                        .accept = text(message[http::field::accept]),
                        .token = TokenIn(text(message[http::field::authorization])),
                        .body = std::move(message.body())};
    for (const auto& field : message) {
      request.headers.emplace_back(Lower(text(field.name_string())), text(field.value()));
    }
    is_head_ = message.method() == http::verb::head;
    stream_.expires_never();
    answer_by_.expires_after(limits_.answer);
    answer_by_.async_wait([self = shared_from_this()](const error_code& cancelled) {
      if (!cancelled && !self->is_answered_)
        self->Answer(Plain(504, "it takes too long; it goes on"));
    });
    Watch();
    cancel_ = handle_(request, [weak = weak_from_this()](HttpResponse response) {
      const auto self = weak.lock();
      if (self && !self->is_answered_ && !self->is_over_) self->Answer(std::move(response));
    });
    if (is_answered_) cancel_ = nullptr;
  }

  // What more it says is not looked at; that it has gone is.
  void Watch() {
    is_watched_ = true;
    stream_.socket().async_read_some(
        asio::buffer(rest_), [self = shared_from_this()](const error_code& error, std::size_t) {
          self->is_watched_ = false;
          if (self->is_over_) return;
          if (!error) return self->Watch();
          // One that has said all it has to say may still listen.
          if (error != asio::error::eof || self->is_written_) self->End();
        });
  }

  void Answer(HttpResponse response) {
    is_answered_ = true;
    cancel_ = nullptr;
    answer_by_.cancel();
    reply_.result(response.status);
    reply_.version(11);
    reply_.set(http::field::server, "oxherd");
    reply_.set(http::field::content_type, response.type);
    reply_.set(http::field::cache_control, "no-store");
    reply_.set("X-Content-Type-Options", "nosniff");
    if (!response.allow.empty()) reply_.set(http::field::allow, response.allow);
    if (response.status == 401) reply_.set(http::field::www_authenticate, "Bearer");
    reply_.keep_alive(false);
    const std::size_t size = response.body.size();
    if (!is_head_) reply_.body() = std::move(response.body);
    reply_.content_length(size);
    stream_.expires_after(limits_.response);
    http::async_write(stream_, reply_,
                      [self = shared_from_this()](const error_code& error, std::size_t /*size*/) {
                        self->OnWritten(error);
                      });
  }

  void OnWritten(const error_code& error) {
    if (is_over_) return;
    // A HEAD's answer has no body although it says how long that would be.
    if (error && !is_head_) return End();
    is_written_ = true;
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    answer_by_.expires_after(kLinger);
    answer_by_.async_wait([self = shared_from_this()](const error_code& cancelled) {
      if (!cancelled) self->End();
    });
    if (!is_watched_) Watch();
  }

  void End() {
    if (std::exchange(is_over_, true)) return;
    if (cancel_) std::exchange(cancel_, nullptr)();
    answer_by_.cancel();
    stream_.close();
    if (ended_) std::exchange(ended_, nullptr)();
  }

  beast::tcp_stream stream_;
  const HttpLimits& limits_;
  const HttpServer::Handle& handle_;
  asio::steady_timer answer_by_;
  beast::flat_buffer buffer_;
  http::request_parser<http::string_body> parser_;
  http::response<http::string_body> reply_;
  std::array<char, 1024> rest_{};
  std::function<void()> ended_;
  std::function<void()> cancel_;
  bool is_head_ = false;
  bool is_watched_ = false;
  bool is_answered_ = false;
  bool is_written_ = false;
  bool is_over_ = false;
};

}  // namespace

std::string HttpRequest::Header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &std::pair<std::string, std::string>::first);
  return found == headers.end() ? std::string() : found->second;
}

class HttpServer::Impl : public std::enable_shared_from_this<HttpServer::Impl> {
 public:
  Impl(asio::io_context& loop, Handle handle, const HttpLimits& limits)
      : acceptor_(loop), pause_(loop), handle_(std::move(handle)), limits_(limits) {}

  Status Listen(const tcp::endpoint& endpoint) {
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return MakeError(error.message());
    Accept();
    return {};
  }

  void Stop() {
    is_stopped_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    for (const auto& client : std::exchange(clients_, {})) client->Abandon();
  }

  [[nodiscard]] std::uint16_t port() const {
    error_code ignored;
    return acceptor_.local_endpoint(ignored).port();
  }

 private:
  void Accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const error_code& error, tcp::socket socket) {
          self->OnAccepted(error, std::move(socket));
        });
  }

  void OnAccepted(const error_code& error, tcp::socket socket) {
    if (is_stopped_ || error == asio::error::operation_aborted) return;
    if (error) {  // no descriptors, no memory: not again at once
      pause_.expires_after(kAcceptPause);
      return pause_.async_wait([self = shared_from_this()](const error_code& cancelled) {
        if (!cancelled && !self->is_stopped_) self->Accept();
      });
    }
    if (clients_.size() < limits_.clients) Admit(std::move(socket));
    Accept();
  }

  void Admit(tcp::socket socket) {
    const auto place = clients_.insert(
        clients_.end(), std::make_shared<Client>(std::move(socket), limits_, handle_));
    (*place)->Begin([self = shared_from_this(), place] {
      if (!self->is_stopped_) self->clients_.erase(place);
    });
  }

  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  Handle handle_;
  HttpLimits limits_;
  std::list<std::shared_ptr<Client>> clients_;
  bool is_stopped_ = false;
};

Result<std::unique_ptr<HttpServer>> HttpServer::Open(asio::io_context& loop,
                                                     const std::string& address, Handle handle,
                                                     const HttpLimits& limits) {
  OXHERD_TRY_ASSIGN(const Endpoint endpoint, ParseTcpEndpoint(address));
  error_code error;
  const std::string host = endpoint.host == "localhost" ? "127.0.0.1" : endpoint.host;
  const auto numeric = asio::ip::make_address(host, error);
  if (error) return MakeError(address + ": not an address; write 127.0.0.1:9615");
  auto impl = std::make_shared<Impl>(loop, std::move(handle), limits);
  if (const Status listens = impl->Listen(tcp::endpoint(numeric, endpoint.port)); !listens) {
    impl->Stop();
    return MakeError(address + ": " + listens.error().message);
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { impl_->Stop(); }
std::uint16_t HttpServer::port() const { return impl_->port(); }

}  // namespace oxherd
