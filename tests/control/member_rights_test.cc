#include "control/member_rights.h"

#include <doctest/doctest.h>

#include <array>

namespace oxherd::control {
namespace {

Request Typed(Command command, std::vector<std::string> names = {"api"}) {
  Request request;
  request.id = RequestId(7);
  request.command = command;
  request.names = std::move(names);
  request.folder = "/home/ann";
  return request;
}

TEST_SUITE("member rights") {
  TEST_CASE("members may look, and steer what root's files define") {
    for (const Command command :
         {Command::kList, Command::kStatus, Command::kLogs, Command::kPing, Command::kDaemonStatus,
          Command::kWait, Command::kStart, Command::kStop, Command::kRestart, Command::kReload,
          Command::kScale}) {
      CHECK_MESSAGE(AsFromMember(Typed(command)), Name(command));
    }
    CHECK(AsFromMember(Attach{RequestId(7)}));
  }

  TEST_CASE("members may say nothing of what is run, see no values and not touch the daemon") {
    for (const Command command :
         {Command::kApply, Command::kDelete, Command::kDrain, Command::kResume, Command::kReplace,
          Command::kRollback, Command::kReset, Command::kDaemonStop, Command::kEnvironment,
          Command::kSignal, Command::kDaemonUpgrade}) {
      const auto taken = AsFromMember(Typed(command));
      REQUIRE_FALSE_MESSAGE(taken, Name(command));
      CHECK(taken.error().message.starts_with("members of control_group may not use " +
                                              std::string(Name(command))));
    }
    Request named = Typed(Command::kStart);
    named.oxfile = "/home/ann/Oxfile.toml";
    named.oxfile_named = true;
    CHECK_FALSE(AsFromMember(named));
    Request several = Typed(Command::kStart);
    several.more_oxfiles = {"/home/ann/more.toml"};
    CHECK_FALSE(AsFromMember(several));
    Request profile = Typed(Command::kReload);
    profile.profile = "debug";
    CHECK_FALSE(AsFromMember(profile));
    Request path = Typed(Command::kReload);
    path.update_env = true;
    CHECK_FALSE(AsFromMember(path));
  }

  TEST_CASE("a member's variables and the Oxfile where it was typed are left behind") {
    Request request = Typed(Command::kStart);
    request.oxfile = "/home/ann/Oxfile.toml";
    request.environment = {{"PATH", "/home/ann/evil"}};
    const auto taken = AsFromMember(request);
    REQUIRE(taken);
    const Request& left = std::get<Request>(*taken);
    CHECK(left.oxfile.empty());
    CHECK(left.environment.empty());
    CHECK(left.names == request.names);
  }

  TEST_CASE("a member names what is meant; only looking needs no name") {
    CHECK_FALSE(AsFromMember(Typed(Command::kStop, {})));
    CHECK_FALSE(AsFromMember(Typed(Command::kReload, {})));
    CHECK(AsFromMember(Typed(Command::kList, {})));
  }
}

}  // namespace
}  // namespace oxherd::control
