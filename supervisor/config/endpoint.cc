#include "config/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/number.h"

namespace oxherd {

namespace {

constexpr std::size_t kMaxHost = 253;  // RFC 1035
constexpr std::size_t kMaxTarget = 4096;

Result<std::uint16_t> ParsePort(std::string_view text) {
  const std::uint16_t port = ParseNumber<std::uint16_t>(text).value_or(0);
  if (port == 0) return MakeError(fmt::format("\"{}\" is not a port; write 1 to 65535", text));
  return port;
}

bool IsHostCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
}

Status CheckHost(std::string_view host, bool bracketed) {
  const bool valid =
      bracketed ? std::ranges::all_of(host,
                                      [](char c) {
                                        return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                                               c == ':' || c == '.' || c == '%';
                                      })
                : std::ranges::all_of(host, IsHostCharacter);
  if (host.empty() || host.size() > kMaxHost || !valid) {
    return MakeError(fmt::format("\"{}\" is not a host", host));
  }
  return {};
}

// "host[:port]"; no port: `default_port`, 0 where one must be given.
Result<Endpoint> ParseAuthority(std::string_view text, std::uint16_t default_port) {
  std::string_view host = text;
  std::string_view rest;
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return MakeError("\"[\" is not closed; write [::1]:3000");
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    rest = text.substr(colon);
  }
  OXHERD_TRY(CheckHost(host, bracketed));
  Endpoint endpoint{std::string(host), default_port, {}};
  if (rest.empty()) {
    if (default_port == 0) {
      return MakeError(fmt::format("\"{}\" names no port; write \"{}:3000\"", text, text));
    }
    return endpoint;
  }
  if (rest.front() != ':') return MakeError(fmt::format("\"{}\" is not host:port", text));
  OXHERD_TRY_ASSIGN(endpoint.port, ParsePort(rest.substr(1)));
  return endpoint;
}

}  // namespace

Result<Endpoint> ParseHttpEndpoint(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (url.starts_with("https://")) {
    return MakeError("https is not checked; ask the program itself: \"http://127.0.0.1:PORT/…\"");
  }
  if (!url.starts_with(kScheme)) {
    return MakeError(
        fmt::format("\"{}\" is not a URL; write \"http://127.0.0.1:3000/health\"", url));
  }
  const bool printable = std::ranges::all_of(
      url, [](char c) { return c > ' ' && static_cast<unsigned char>(c) < 0x7F; });
  if (!printable) {
    return MakeError(
        fmt::format("\"{}\" holds a character that a URL cannot; write it as %20", url));
  }
  url.remove_prefix(kScheme.size());
  url = url.substr(0, url.find('#'));
  const std::size_t end = std::min(url.find_first_of("/?"), url.size());
  if (url.substr(0, end).contains('@')) {
    return MakeError("a user name in the URL is not sent; leave it out");
  }
  OXHERD_TRY_ASSIGN(Endpoint endpoint, ParseAuthority(url.substr(0, end), 80));
  const std::string_view target = url.substr(end);
  if (target.size() > kMaxTarget) {
    return MakeError(fmt::format("the path is longer than {} characters", kMaxTarget));
  }
  endpoint.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return endpoint;
}

Result<Endpoint> ParseTcpEndpoint(std::string_view text) {
  if (text.contains("://")) {
    return MakeError(
        fmt::format("\"{}\" is a URL; write \"127.0.0.1:3000\", or use endpoint", text));
  }
  return ParseAuthority(text, 0);
}

}  // namespace oxherd
