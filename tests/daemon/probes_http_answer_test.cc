#include <string>

#include "daemon/probes/http_answer.h"
#include "doctest/doctest.h"

namespace oxherd {
namespace {

using Verdict = HttpAnswer::Verdict;

// Feeds it whole, and again byte by byte: the same must come of it.
Verdict VerdictOn(const std::string& answer, std::string* text = nullptr) {
  HttpAnswer whole;
  const Verdict verdict = whole.Feed(answer);
  HttpAnswer slow;
  Verdict slow_verdict = Verdict::kMore;
  for (const char byte : answer) {
    if (slow_verdict == Verdict::kMore) slow_verdict = slow.Feed(std::string(1, byte));
  }
  CHECK(verdict == slow_verdict);
  CHECK(whole.text() == slow.text());
  if (text != nullptr) *text = whole.text();
  return verdict;
}

std::string With(const std::string& status, const std::string& rest) {
  return "HTTP/1.1 " + status + "\r\nServer: test\r\n" + rest;
}

TEST_CASE("any 2xx is good once the answer is complete, nothing else is") {
  CHECK(VerdictOn(With("200 OK", "Content-Length: 2\r\n\r\nok")) == Verdict::kGood);
  CHECK(VerdictOn(With("200", "Content-Length: 0\r\n\r\n")) == Verdict::kGood);
  CHECK(VerdictOn(With("204 No Content", "\r\n")) == Verdict::kGood);
  CHECK(VerdictOn(With("299 Fine", "content-length:2\r\n\r\nok")) == Verdict::kGood);
  CHECK(VerdictOn("HTTP/1.0 200 OK\nContent-Length: 2\n\nok") == Verdict::kGood);
  for (const char* status :
       {"301 Moved", "302 Found", "304 Not Modified", "404 Not Found", "500 Internal Server Error",
        "503 Service Unavailable", "101 Switching Protocols"}) {
    std::string text;
    CHECK(VerdictOn(With(status, "\r\n"), &text) == Verdict::kBad);
    CHECK(text == std::string(status).substr(0, 3));
  }
}

TEST_CASE("a bad status is bad at its line, whatever may follow") {
  CHECK(VerdictOn("HTTP/1.1 503 Service Unavailable\r\n") == Verdict::kBad);
}

TEST_CASE("an answer that is not complete yet is waited for") {
  CHECK(VerdictOn("HTT") == Verdict::kMore);
  CHECK(VerdictOn(With("200 OK", "")) == Verdict::kMore);
  CHECK(VerdictOn(With("200 OK", "Content-Length: 3\r\n\r\nok")) == Verdict::kMore);
  CHECK(VerdictOn(With("200 OK", "\r\nto the end")) == Verdict::kMore);
}

TEST_CASE("informational answers come before the answer") {
  CHECK(VerdictOn("HTTP/1.1 100 Continue\r\n\r\n" + With("204 No Content", "\r\n")) ==
        Verdict::kGood);
  CHECK(VerdictOn("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + With("503 No", "\r\n")) ==
        Verdict::kBad);
}

TEST_CASE("a chunked answer ends with its last chunk") {
  const std::string head = With("200 OK", "Transfer-Encoding: chunked\r\n\r\n");
  CHECK(VerdictOn(head + "5\r\nhello\r\n") == Verdict::kMore);
  CHECK(VerdictOn(head + "5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n") == Verdict::kGood);
  CHECK(VerdictOn(head + "0\r\nTrailer: x\r\n\r\n") == Verdict::kGood);
  CHECK(VerdictOn(head + "zz\r\n") == Verdict::kBad);
  CHECK(VerdictOn(head + "ffffffffffffffffff\r\n") == Verdict::kBad);
}

TEST_CASE("what is no HTTP is bad at its first bytes") {
  std::string text;
  CHECK(VerdictOn("SSH-2.0-OpenSSH_9.2\r\n", &text) == Verdict::kBad);
  CHECK(text == "no HTTP");
  CHECK(VerdictOn(std::string(3, '\0')) == Verdict::kBad);
  CHECK(VerdictOn("HTTP/1.1 abc OK\r\n") == Verdict::kBad);
  CHECK(VerdictOn("HTTP/1.1 \r\n") == Verdict::kBad);
  CHECK(VerdictOn("HTTP/2 200\r\n") == Verdict::kBad);
}

TEST_CASE("a connection that ends early is bad, one that may end is good") {
  const auto end = [](const std::string& answer) {
    HttpAnswer one;
    (void)one.Feed(answer);
    return one.End();
  };
  CHECK(end("") == Verdict::kBad);
  CHECK(end("HTTP/1.1 200 OK\r\n") == Verdict::kBad);
  CHECK(end(With("200 OK", "Content-Length: 3\r\n\r\nok")) == Verdict::kBad);
  CHECK(end(With("200 OK", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")) == Verdict::kBad);
  CHECK(end(With("200 OK", "\r\nall there is")) == Verdict::kGood);
}

TEST_CASE("64 KiB are enough of a body, and too much of headers") {
  const std::string much(kMaxHttpAnswer, 'x');
  CHECK(VerdictOn(With("200 OK", "\r\n" + much)) == Verdict::kGood);
  CHECK(VerdictOn(With("200 OK", "Content-Length: 10000000000\r\n\r\n" + much)) == Verdict::kGood);
  std::string text;
  CHECK(VerdictOn(With("200 OK", "X: " + much), &text) == Verdict::kBad);
  CHECK(text == "endless headers");
  std::string lines;
  while (lines.size() < kMaxHttpAnswer) lines += "X: y\r\n";
  CHECK(VerdictOn(With("200 OK", lines)) == Verdict::kBad);
  CHECK(VerdictOn("HTTP/1.1 200 " + much) == Verdict::kBad);
}

}  // namespace
}  // namespace oxherd
