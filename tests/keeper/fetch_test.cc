#include "keeper/fetch.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/keeper/book_desk.h"

namespace oxherd::keeper {
namespace {

TcpAddress At(const char* host, std::uint16_t port = 3000) {
  TcpAddress address;
  address.port = port;
  const bool is_ipv6 = std::strchr(host, ':') != nullptr;
  if (is_ipv6) address.family = TcpAddress::Family::kIpv6;
  REQUIRE(::inet_pton(is_ipv6 ? AF_INET6 : AF_INET, host, address.host.data()) == 1);
  return address;
}

TEST_CASE("a held socket is given if it is no wider than what was asked, and never IPv6 for IPv4") {
  struct Row {
    const char* held;
    const char* asked;
    Fit fit;
  };
  const std::vector<Row> rows = {
      {"::", "::", Fit::kExact},
      {"::", "0.0.0.0", Fit::kOtherFamily},
      {"::", "127.0.0.1", Fit::kOtherFamily},
      {"::", "::1", Fit::kTooWide},
      {"::1", "::", Fit::kNarrower},
      {"::1", "::1", Fit::kExact},
      {"0.0.0.0", "0.0.0.0", Fit::kExact},
      {"0.0.0.0", "::", Fit::kNarrower},
      {"0.0.0.0", "127.0.0.1", Fit::kTooWide},
      {"0.0.0.0", "::1", Fit::kTooWide},
      {"0.0.0.0", "::ffff:127.0.0.1", Fit::kTooWide},
      {"127.0.0.1", "0.0.0.0", Fit::kNarrower},
      {"127.0.0.1", "::", Fit::kNarrower},
      {"127.0.0.1", "127.0.0.1", Fit::kExact},
      {"127.0.0.1", "127.0.0.2", Fit::kTooWide},
      {"127.0.0.1", "::1", Fit::kTooWide},
      {"127.0.0.1", "::ffff:127.0.0.1", Fit::kNarrower},
  };
  for (const Row& row : rows) {
    CAPTURE(row.held);
    CAPTURE(row.asked);
    CHECK(FitOf(At(row.held), At(row.asked)) == row.fit);
    CHECK(FitOf(At(row.held), At(row.asked, 3001)) == Fit::kOtherPort);
  }
}

TEST_CASE("a held name is of one service and one number") {
  CHECK(IsSocketOf("api\ntcp:[::]:3000\n2", "api", 2));
  CHECK_FALSE(IsSocketOf("api\ntcp:[::]:3000\n2", "api", 3));
  CHECK_FALSE(IsSocketOf("api\ntcp:[::]:3000\n2", "ap", 2));
  CHECK_FALSE(IsSocketOf("api\ntcp:[::]:3000\n12", "api", 2));
  CHECK_FALSE(IsSocketOf("api\n2", "api", 2));
  CHECK_FALSE(IsSocketOf("api\ntcp:[::]:3000\n2x", "api", 2));
  CHECK_FALSE(IsSocketOf("api\ntcp:[::]:3000\n65538", "api", 2));
  CHECK_FALSE(IsSocketOf("", "", 0));
}

TEST_CASE("any bytes are a request or none, and a request is read as it was meant") {
  OxherdFetchRequest raw{};
  raw.token = 77;
  raw.secret[3] = 9;
  raw.host[15] = 1;
  raw.port = 3000;
  raw.family = 6;
  raw.version = OXHERD_FETCH_VERSION;
  const auto bytes = std::as_bytes(std::span(&raw, 1));
  const auto request = ParseFetchRequest(bytes);
  REQUIRE(request.has_value());
  CHECK(request->token == Token(77));
  CHECK(request->secret[3] == 9);
  CHECK(request->asked == At("::1"));
  CHECK_FALSE(ParseFetchRequest(bytes.first(bytes.size() - 1)).has_value());
  CHECK_FALSE(ParseFetchRequest({}).has_value());
  std::mt19937 random(3);
  for (int i = 0; i < 50'000; ++i) {
    OxherdFetchRequest spoiled = raw;
    auto changed = std::as_writable_bytes(std::span(&spoiled, 1));
    changed[random() % changed.size()] = static_cast<std::byte>(random());
    const auto read = ParseFetchRequest(changed);
    if (read) CHECK(read->asked.port != 0);
  }
}

TEST_CASE("what a process took is said once for each socket, and refusals a few times") {
  Desk desk;
  desk.WithDaemon();
  desk.book.OnRequest(Hold{HeldName("api\ntcp:[::]:1\n0")}, desk.now);
  desk.book.OnRequest(Hold{HeldName("api\ntcp:[::]:2\n0")}, desk.now);
  desk.book.OnRequest(Desk::SpawnOf(1), desk.now);
  desk.Effects();
  desk.Reports();
  for (int i = 0; i < 20; ++i) {
    desk.book.OnListenTaken(Token(1), 0);
    desk.book.OnListenTaken(Token(1), 1);
    desk.book.OnListenTaken(Token(2), 0);  // nobody knows this one
    desk.book.OnListenRefused(Token(1), ListenMismatch::kWidth, At("127.0.0.1"));
  }
  const auto reports = desk.Reports();
  const auto taken = Only<ListenTaken>(reports);
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].name == HeldName("api\ntcp:[::]:1\n0"));
  CHECK(taken[1].name == HeldName("api\ntcp:[::]:2\n0"));
  const auto refused = Only<ListenRefused>(reports);
  CHECK(refused.size() == kMaxListenNews);
  CHECK(refused[0].why == ListenMismatch::kWidth);
  CHECK(refused[0].asked == At("127.0.0.1"));
}

TEST_CASE("a daemon that never reads cannot make the book grow") {
  Desk desk(200);
  desk.WithDaemon();
  for (std::uint64_t token = 1; token <= 200; ++token) {
    desk.book.OnRequest(Desk::SpawnOf(token), desk.now);
    desk.book.OnListenRefused(Token(token), ListenMismatch::kFamily, At("0.0.0.0"));
  }
  desk.Effects();
  CHECK(Only<ListenRefused>(desk.Reports()).size() == 64);
  desk.book.OnRequest(Desk::SpawnOf(201), desk.now);
  desk.Reports();
  desk.book.OnListenRefused(Token(1), ListenMismatch::kFamily, At("0.0.0.0"));
  CHECK(Only<ListenRefused>(desk.Reports()).size() == 1);
}

}  // namespace
}  // namespace oxherd::keeper
