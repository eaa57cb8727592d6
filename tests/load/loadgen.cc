// The load by hand: `loadgen URL [--connections N] [--seconds N] [--requests N] [--keep-alive]
// [--pause-ms N] [--timeout-ms N] [--source ADDRESS] [--has TEXT]`. Prints one line of JSON; exit 0
// when nothing failed, 1 otherwise, 2 when it was not understood.
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "tests/load/load.h"

namespace {

using oxherd::load::Clients;
using oxherd::load::Plan;

long Number(const std::string& text) {
  std::size_t end = 0;
  const long number = std::stol(text, &end);
  if (end != text.size() || number < 0) {
    throw std::invalid_argument("\"" + text + "\" is no number");
  }
  return number;
}

void ReadUrl(const std::string& url, Plan& plan) {
  const std::string scheme = "http://";
  const std::size_t path = url.find('/', scheme.size());
  const std::string authority = url.substr(scheme.size(), path - scheme.size());
  const std::size_t colon = authority.rfind(':');
  if (!url.starts_with(scheme) || colon == std::string::npos) {
    throw std::invalid_argument("\"" + url + "\" is not http://ADDRESS:PORT/PATH");
  }
  plan.host = authority.substr(0, colon);
  if (plan.host.starts_with('[') && plan.host.ends_with(']')) {
    plan.host = plan.host.substr(1, plan.host.size() - 2);
  }
  plan.port = static_cast<std::uint16_t>(Number(authority.substr(colon + 1)));
  plan.path = path == std::string::npos ? "/" : url.substr(path);
}

Plan Understood(const std::vector<std::string>& words) {
  Plan plan;
  plan.max_time = std::chrono::seconds(10);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.starts_with("http://")) {
      ReadUrl(word, plan);
    } else if (word == "--keep-alive") {
      plan.clients = Clients::kKeepAlive;
    } else if (i + 1 == words.size()) {
      throw std::invalid_argument("\"" + word + "\" is not understood");
    } else if (const std::string& value = words[++i]; word == "--connections") {
      plan.connections = static_cast<std::size_t>(Number(value));
    } else if (word == "--seconds") {
      plan.max_time = std::chrono::seconds(Number(value));
    } else if (word == "--requests") {
      plan.max_requests = static_cast<std::size_t>(Number(value));
    } else if (word == "--pause-ms") {
      plan.pause = std::chrono::milliseconds(Number(value));
    } else if (word == "--timeout-ms") {
      plan.request_timeout = std::chrono::milliseconds(Number(value));
    } else if (word == "--source") {
      plan.source = value;
    } else if (word == "--has") {
      plan.body_has = value;
    } else {
      throw std::invalid_argument("\"" + word + "\" is not understood");
    }
  }
  if (plan.port == 0) {
    throw std::invalid_argument("no URL");
  }
  return plan;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    oxherd::load::Load load(Understood({argv + 1, argv + argc}));
    const oxherd::load::Counts counts = load.RunToEnd();
    std::cout << counts.Json() << '\n';
    return counts.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& error) {
    std::cerr << "loadgen: " << error.what() << '\n';
    return 2;
  }
}
