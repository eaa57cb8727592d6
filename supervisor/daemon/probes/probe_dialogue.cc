#include "daemon/probes/probe_dialogue.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/later.h"
#include "daemon/probes/http_answer.h"

namespace oxherd {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr Millis kAcceptedEvery{10};

std::string InWords(Millis timeout) {
  const auto millis = timeout.count();
  if (millis % 1000 != 0) return std::to_string(millis) + " ms";
  return std::to_string(millis / 1000) + " s";
}

std::string Request(const Endpoint& endpoint) {
  const bool is_ipv6 = endpoint.host.find(':') != std::string::npos;
  std::string request = "GET " + endpoint.target + " HTTP/1.1\r\nHost: ";
  request += is_ipv6 ? "[" + endpoint.host + "]" : endpoint.host;
  if (endpoint.port != 80) request += ":" + std::to_string(endpoint.port);
  return request + "\r\nUser-Agent: oxherd\r\nAccept: */*\r\nConnection: close\r\n\r\n";
}

// What the handlers share; they keep it alive, and do nothing once it is over.
class Talk : public std::enable_shared_from_this<Talk> {
 public:
  Talk(asio::io_context& loop, Endpoint endpoint, ProbeRoute route, Millis timeout,
       ProbeDialogue::Finished finished)
      : loop_(loop),
        endpoint_(std::move(endpoint)),
        route_(std::move(route)),
        timeout_(timeout),
        finished_(std::move(finished)),
        socket_(loop),
        timer_(loop),
        look_again_(loop) {}

  void Begin(NameLookup& names) {
    timer_.expires_after(timeout_);
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (error || self->over_) return;
      // What came in while the loop did not run is looked at first.
      CallLater(self->loop_, [self] {
        if (!self->over_) self->TimeIsUp();
      });
    });
    if (route_.path) return Connect(0);
    names.Ask(endpoint_.host,
              [weak = weak_from_this()](const Result<std::vector<std::string>>& found) {
                const auto self = weak.lock();
                if (self && !self->over_) self->TakeAddresses(found);
              });
  }

  // Nobody is interested any more.
  void GiveUp() {
    disowned_ = true;
    Close();
  }

 private:
  void Close() {
    over_ = true;
    error_code ignored;
    // With a source port of its own it must not stay in TIME_WAIT.
    if (route_.path) socket_.set_option(tcp::socket::linger(true, 0), ignored);
    socket_.close(ignored);
    timer_.cancel();
    look_again_.cancel();
    finished_ = nullptr;
  }

  void End(bool good, std::string text, bool timed_out = false) {
    if (over_) return;
    auto finished = std::move(finished_);
    Close();
    // Not from within Begin(), and after this function: the owner may destroy us.
    CallLater(loop_, [self = shared_from_this(), finished = std::move(finished), good, timed_out,
                      text = std::move(text)] {
      if (!self->disowned_) finished({good, timed_out, text});
    });
  }

  void TimeIsUp() {
    End(false, (connected_ ? "no answer in " : "no connection in ") + InWords(timeout_), true);
  }

  void TakeAddresses(const Result<std::vector<std::string>>& found) {
    if (!found) return End(false, found.error().message);
    for (const std::string& text : *found) {
      error_code error;
      const auto address = asio::ip::make_address(text, error);
      if (!error) addresses_.push_back(address);
    }
    Connect(0);
  }

  // Nothing: there is no such address to try.
  std::optional<tcp::endpoint> Target(std::size_t which) {
    if (!route_.path) {
      if (which >= addresses_.size()) return std::nullopt;
      return tcp::endpoint(addresses_[which], endpoint_.port);
    }
    if (which > 0) return std::nullopt;
    error_code error;
    const os::ProbePath& path = *route_.path;
    tcp::endpoint target(asio::ip::make_address(path.target, error), path.target_port);
    if (!error) socket_.open(target.protocol(), error);
    if (!error) socket_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) {
      socket_.bind({asio::ip::make_address(path.source, error), path.source_port}, error);
    }
    if (!error) return target;
    failure_ = ErrnoText(error.value());
    return std::nullopt;
  }

  void Connect(std::size_t which) {
    error_code ignored;
    socket_.close(ignored);
    const std::optional<tcp::endpoint> target = Target(which);
    if (!target) return End(false, failure_.empty() ? "no address" : failure_);
    socket_.async_connect(*target, [self = shared_from_this(), which](const error_code& error) {
      if (self->over_) return;
      if (!error && !self->IsWithItself()) return self->Connected();
      // The first address is the one that people mean.
      const int number = error ? error.value() : ECONNREFUSED;
      if (self->failure_.empty()) self->failure_ = ErrnoText(number);
      self->Connect(which + 1);
    });
  }

  // Where nobody listens on a port that the kernel gives out, a connection can meet itself.
  bool IsWithItself() const {
    error_code ignored;
    return socket_.local_endpoint(ignored) == socket_.remote_endpoint(ignored);
  }

  void Connected() {
    connected_ = true;
    if (endpoint_.target.empty()) return AwaitAccept();
    request_ = Request(endpoint_);
    asio::async_write(socket_, asio::buffer(request_),
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        if (self->over_) return;
                        // It may have answered and closed before it had read all.
                        if (error) self->failure_ = ErrnoText(error.value());
                        self->Read();
                      });
  }

  [[nodiscard]] os::TcpEndpoint OurEnd() const {
    error_code ignored;
    const tcp::endpoint local = socket_.local_endpoint(ignored);
    os::TcpEndpoint ours{.host = {}, .port = local.port()};
    if (local.address().is_v4()) {
      std::ranges::copy(local.address().to_v4().to_bytes(), ours.host.begin());
    } else {
      std::ranges::copy(local.address().to_v6().to_bytes(), ours.host.begin());
    }
    return ours;
  }

  // The kernel connects clients before anybody accepts them.
  void AwaitAccept() {
    if (!route_.is_accepted || route_.is_accepted(OurEnd())) return End(true, "accepted");
    look_again_.expires_after(kAcceptedEvery);
    look_again_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && !self->over_) self->AwaitAccept();
    });
  }

  void Read() {
    socket_.async_read_some(asio::buffer(bytes_),
                            [self = shared_from_this()](const error_code& error, std::size_t size) {
                              if (!self->over_) self->Heard(error, size);
                            });
  }

  void Heard(const error_code& error, std::size_t size) {
    auto verdict = answer_.Feed(std::string_view(bytes_.data(), size));
    if (verdict == HttpAnswer::Verdict::kMore && error == asio::error::eof) verdict = answer_.End();
    if (verdict != HttpAnswer::Verdict::kMore) {
      return End(verdict == HttpAnswer::Verdict::kGood, answer_.text());
    }
    if (error) return End(false, ErrnoText(error.value()));
    Read();
  }

  asio::io_context& loop_;
  Endpoint endpoint_;
  ProbeRoute route_;
  Millis timeout_;
  ProbeDialogue::Finished finished_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  asio::steady_timer look_again_;
  std::vector<asio::ip::address> addresses_;
  std::string request_;
  std::array<char, 4096> bytes_{};
  HttpAnswer answer_;
  std::string failure_;  // of the first address
  bool connected_ = false;
  bool over_ = false;
  bool disowned_ = false;
};

class Dialogue : public ProbeDialogue {
 public:
  explicit Dialogue(std::shared_ptr<Talk> talk) : talk_(std::move(talk)) {}
  ~Dialogue() override { talk_->GiveUp(); }
  Dialogue(const Dialogue&) = delete;
  Dialogue& operator=(const Dialogue&) = delete;

 private:
  std::shared_ptr<Talk> talk_;
};

}  // namespace

std::unique_ptr<ProbeDialogue> ProbeDialogue::Begin(asio::io_context& loop, NameLookup& names,
                                                    const Endpoint& endpoint, ProbeRoute route,
                                                    Millis timeout, Finished finished) {
  auto talk =
      std::make_shared<Talk>(loop, endpoint, std::move(route), timeout, std::move(finished));
  talk->Begin(names);
  return std::make_unique<Dialogue>(std::move(talk));
}

}  // namespace oxherd
