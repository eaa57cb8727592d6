// A client of the services under test, and ports for them.
#pragma once

#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "tests/e2e/command.h"

namespace oxherd::e2e {

struct HttpAnswer {
  int status = 0;  // 0: no whole answer came; `error` says why
  std::string body;
  std::string error;
};

// One GET over a connection of its own to 127.0.0.1; blocks until the last byte or `deadline`.
HttpAnswer HttpGet(std::uint16_t port, const std::string& path,
                   milliseconds deadline = seconds(20));

// One POST with these further lines of header, each with its "\r\n". What is refused may not be
// read to its end: an answer counts all the same.
HttpAnswer HttpPost(std::uint16_t port, const std::string& path, const std::string& headers,
                    const std::string& body, milliseconds deadline = seconds(20));

// `count` such requests at the same time.
std::vector<std::future<HttpAnswer>> HttpGetMany(std::size_t count, std::uint16_t port,
                                                 const std::string& path);

// How many connections to 127.0.0.1:port have been accepted by a program (proc_net(5): those that
// wait in a queue have no inode).
std::size_t AcceptedOn(std::uint16_t port);

// True when nobody listens on 127.0.0.1:port.
bool IsFree(std::uint16_t port);

// The first of `count` consecutive ports that are free and outside the kernel's own range; calls
// in one process never return the same.
std::uint16_t FreePorts(std::uint16_t count);

}  // namespace oxherd::e2e
