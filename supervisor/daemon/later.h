// Calls a function from the loop, after whatever runs now.
#pragma once

#include <functional>

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): Boost's name
}

namespace oxherd {

// From any thread. The loop must still be there; what has not run when it is destroyed never does.
void CallLater(boost::asio::io_context& loop, std::function<void()> function);

}  // namespace oxherd
