// A state with services in it, for tests that only need some.
#pragma once

#include <memory>
#include <string>

#include "core/state.h"

namespace oxherd {

inline std::shared_ptr<Spec> SampleSpec(const std::string& name) {
  auto spec = std::make_shared<Spec>();
  spec->name = name;
  spec->command.argv = {"/bin/" + name, "--port", "3000"};
  spec->working_dir = "/srv/" + name;
  spec->env = {{"NODE_ENV", "production"}, {"GREETING", "\xc3\xa4 \"quoted\"\n\x01"}};
  spec->source_file = "/srv/Oxfile.toml";
  spec->source_line = 7;
  spec->profile = "production";
  return spec;
}

inline Service SampleService(const std::string& name) {
  Service service;
  service.name = name;
  service.wish = Wish::kRunning;
  service.generation = Generation(3);
  service.last_generation = Generation(4);
  service.specs.push_back({.generation = Generation(3), .spec = SampleSpec(name)});
  service.slots.resize(2, Slot{.current = Instance{.generation = Generation(3)}});
  service.revision = 1;
  return service;
}

inline State SampleState(int services) {
  State state;
  state.seed = 42;
  state.next_token = Token(17);
  for (int i = 0; i < services; ++i) {
    state.services.push_back(SampleService("s" + std::to_string(i)));
  }
  return state;
}

// As the core does it: every change of a service counts its revision up.
inline void Change(Service& service) {
  ++service.slots[0].current.restarts;
  ++service.revision;
}

}  // namespace oxherd
