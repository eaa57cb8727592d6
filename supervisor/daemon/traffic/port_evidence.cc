#include "daemon/traffic/port_evidence.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>

namespace oxherd {
namespace {

constexpr std::size_t kMostPorts = 16;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) {
    return static_cast<char>(c < 128 ? std::tolower(c) : c);
  });
  return lower;
}

bool SaysTaken(std::string_view line) {
  static constexpr std::array<std::string_view, 8> kWords = {
      "eaddrinuse", "address already in use", "address in use", "addrinuse",
      "[errno 98]", "connection in use:",     "(98: ",          "code: 98",
  };
  if (std::ranges::any_of(kWords, [&](auto word) { return line.contains(word); })) return true;
  return line.contains("port") && (line.contains("already in use") ||
                                   line.contains("already used") || line.contains("is in use"));
}

// Where a number of digits begins: how much it looks like a port; nothing where it is none.
enum class Look : std::uint8_t { kNamedPort, kInTuple, kAfterColon, kByItself };
std::optional<Look> LookAt(std::string_view line, std::size_t begin, std::size_t end) {
  const std::string_view before = line.substr(0, begin);
  if (before.ends_with("port ") || before.ends_with("port: ") || before.ends_with("port=")) {
    return Look::kNamedPort;
  }
  if (before.ends_with("', ") || before.ends_with("\", ")) return Look::kInTuple;
  if (before.empty() || before.ends_with(' ')) return Look::kByItself;
  if (!before.ends_with(':')) return std::nullopt;
  // 09:10:05 is a time, server.js:12:5 a place in a file.
  const bool goes_on = end + 1 < line.size() && line[end] == ':' && IsDigit(line[end + 1]);
  const std::size_t colon = begin - 1;
  std::size_t digits = colon;
  while (digits > 0 && IsDigit(line[digits - 1])) --digits;
  const bool follows = digits < colon && digits > 0 && line[digits - 1] == ':' && digits > 1 &&
                       line[digits - 2] != ':';
  if (goes_on || follows) return std::nullopt;
  return Look::kAfterColon;
}

struct Found {
  Look look;
  std::uint16_t port;
};

void FindPorts(std::string_view line, std::vector<Found>& found) {
  for (std::size_t begin = 0; begin < line.size(); ++begin) {
    if (!IsDigit(line[begin]) || (begin > 0 && IsDigit(line[begin - 1]))) continue;
    std::size_t end = begin;
    while (end < line.size() && IsDigit(line[end])) ++end;
    std::uint16_t port = 0;
    const auto parsed = std::from_chars(line.data() + begin, line.data() + end, port);
    if (parsed.ec != std::errc() || port == 0 || port == EADDRINUSE) continue;
    const bool is_host =
        end < line.size() && line[end] == '.' && end + 1 < line.size() && IsDigit(line[end + 1]);
    if (is_host) continue;
    if (const auto look = LookAt(line, begin, end)) found.push_back({*look, port});
  }
}

// "EADDRINUSE: address already in use /run/api.sock"
bool EndsInPath(std::string_view line) {
  const std::size_t space = line.find_last_of(" '\"");
  const std::size_t word = line.find(" /");
  return line.contains("in use /") || (word != std::string_view::npos && word == space);
}

}  // namespace

PortEvidence EvidenceIn(const std::vector<std::string>& lines) {
  PortEvidence evidence;
  std::vector<Found> found;
  for (const std::string& each : lines) {
    const std::string line = Lower(each);
    const bool says_taken = SaysTaken(line);
    // Node prints the error's fields on lines of their own: "  port: 3000".
    const bool is_field = evidence.is_taken && line.find("port: ") == line.find_first_not_of(' ');
    if (!says_taken && !is_field) continue;
    evidence.is_taken = true;
    FindPorts(line, found);
    if (says_taken) evidence.is_path |= EndsInPath(line);
  }
  if (!found.empty()) evidence.is_path = false;
  std::ranges::stable_sort(found, {}, &Found::look);
  for (const Found& each : found) {
    if (evidence.ports.size() == kMostPorts) break;
    if (std::ranges::count(evidence.ports, each.port) == 0) evidence.ports.push_back(each.port);
  }
  return evidence;
}

}  // namespace oxherd
