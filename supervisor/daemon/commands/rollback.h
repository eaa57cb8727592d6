// Which of a service's kept definitions a rollback by hand goes back to.
#pragma once

#include <string>

#include "base/error.h"
#include "core/state.h"

namespace oxherd {

struct EarlierSpec {
  SpecPtr spec;
  std::string note;  // a sentence for people
};

// That of generation `to`; where that is not set, of the last one before this that was ready and is
// another than what runs. The error says what is kept.
[[nodiscard]] Result<EarlierSpec> ChooseEarlier(const Service& service, Generation to);

}  // namespace oxherd
