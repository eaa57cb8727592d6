#include "daemon/later.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace oxherd {

void CallLater(boost::asio::io_context& loop, std::function<void()> function) {
  boost::asio::post(loop, std::move(function));
}

}  // namespace oxherd
