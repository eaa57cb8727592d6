// The regular expression of `ready_log`, which no line of output can make slow or deep.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace oxherd {

class ReadyPattern {
 public:
  // Longer patterns are refused; of a line only so many bytes are looked at.
  static constexpr std::size_t kMaxPattern = 1000;
  static constexpr std::size_t kMaxLine = 4096;

  // ECMAScript syntax as JavaScript's, without back references and look-ahead: matching takes time
  // proportional to the line.
  [[nodiscard]] static Result<ReadyPattern> Compile(std::string_view pattern);

  // Found anywhere in the line.
  [[nodiscard]] bool Matches(std::string_view line) const;

 private:
  struct Expression;
  explicit ReadyPattern(std::shared_ptr<const Expression> regex) : regex_(std::move(regex)) {}

  std::shared_ptr<const Expression> regex_;
};

}  // namespace oxherd
