// [.profiles.NAME]: which one of each service counts (--env), and reading it over the service's
// keys.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "config/keys.h"
#include "config/reading.h"

namespace oxherd {

// The profiles of one file. What does not count is read too, as a file is validated whole.
class Profiles {
 public:
  explicit Profiles(const ReadOptions& options);

  // The one that counts for `service`, if it has it; empty: none.
  [[nodiscard]] std::string_view ChosenFor(std::string_view service) const;

  // Reads the profiles in `table`, whose other keys `place.draft` has already: `chosen` into the
  // draft, the others only for their mistakes. False: `chosen` is not among them.
  bool Read(Section section, const Table& table, const Place& place, std::string_view chosen);

  // Notes in the draft's spec with which profile it was read; `has_it`: Read() found it. One that
  // was remembered and has gone is an error.
  void Settle(Draft& draft, bool has_it, ErrorList& errors) const;

  // Once all is read: whether --env names a profile of the file.
  void CheckAsked(ErrorList& errors) const;

 private:
  const ReadOptions& options_;
  std::string shared_;  // the remembered one, where all services agree
  std::set<std::string, std::less<>> names_;
  Position first_;  // of the first table of profiles
  std::string first_path_;
};

}  // namespace oxherd
