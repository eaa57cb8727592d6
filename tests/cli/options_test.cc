#include "cli/command_line/options.h"

#include <doctest/doctest.h>

#include <sstream>

#include "cli/command_line/verbs.h"

namespace oxherd::cli {
namespace {

std::vector<std::string> WordsOf(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

Options Parse(const std::string& line) {
  const auto options = ParseWords(WordsOf(line));
  REQUIRE_MESSAGE(options.has_value(), options.error().text);
  return *options;
}

// What is said when it was asked wrongly; always one line.
std::string Refusal(const std::string& line) {
  const auto options = ParseWords(WordsOf(line));
  if (options) return "accepted";
  CHECK(options.error().code == 2);
  const std::string& text = options.error().text;
  CHECK(text.find('\n') == text.size() - 1);
  return text;
}

TEST_CASE("every verb is known under its name and its aliases") {
  CHECK(Parse("ls").verb == Verb::kList);
  CHECK(Parse("ps").verb == Verb::kList);
  CHECK(Parse("rl api").verb == Verb::kReload);
  CHECK(Parse("rs api").verb == Verb::kRestart);
  CHECK(Parse("rm api").verb == Verb::kDelete);
  CHECK(Parse("describe api").verb == Verb::kStatus);
  CHECK(Parse("daemon stop").verb == Verb::kDaemonStop);
  CHECK(Parse("kill").verb == Verb::kDaemonStop);
  CHECK(Parse("check").verb == Verb::kValidate);
  CHECK(Parse("--version").verb == Verb::kVersion);
  for (const VerbEntry& entry : Verbs()) CHECK(VerbName(entry.verb) == entry.name);
}

TEST_CASE("oxherd alone is the greeting") {
  CHECK(Parse("").verb == Verb::kGreeting);
  CHECK(Parse("--json").json);
}

TEST_CASE("the Oxfile can be named before and after the verb") {
  CHECK(Parse("-c deploy/two.toml start").oxfile == "deploy/two.toml");
  CHECK(Parse("start -c deploy/two.toml").oxfile == "deploy/two.toml");
  CHECK(Parse("--config=two.toml reload api").oxfile == "two.toml");
  CHECK(Parse("-c start stop").verb == Verb::kStop);
}

TEST_CASE("a file as the only name is the Oxfile") {
  CHECK(Parse("start deploy/Oxfile.toml").oxfile == "deploy/Oxfile.toml");
  CHECK(Parse("start deploy/Oxfile.toml").names.empty());
  CHECK(Parse("apply prod").oxfile == "prod");
  CHECK(Parse("start api").names == std::vector<std::string>{"api"});
  CHECK_FALSE(Parse("stop api.toml").oxfile.has_value());
}

TEST_CASE("several files can be named, and services beside them") {
  const Options start = Parse("start one.toml api two.toml three.toml");
  CHECK(start.oxfile == "one.toml");
  CHECK(start.more_oxfiles == std::vector<std::string>{"two.toml", "three.toml"});
  CHECK(start.names == std::vector<std::string>{"api"});
  CHECK(Parse("validate one two").more_oxfiles == std::vector<std::string>{"two"});
  CHECK(Parse("apply -c one two").more_oxfiles == std::vector<std::string>{"two"});
}

TEST_CASE("--only takes names, or says it of those that are typed anyway") {
  const Options apply = Parse("apply prod.toml --only api,worker");
  CHECK(apply.only);
  CHECK(apply.oxfile == "prod.toml");
  CHECK(apply.names == std::vector<std::string>{"api", "worker"});
  const Options start = Parse("start api --only");
  CHECK(start.only);
  CHECK(start.names == std::vector<std::string>{"api"});
  CHECK(Parse("start --only api --no-wait").names == std::vector<std::string>{"api"});
  CHECK(Parse("start api --only --no-wait").no_wait);
  CHECK(Parse("start --only=api,api").names == std::vector<std::string>{"api"});
  CHECK_FALSE(Parse("start api").only);
}

TEST_CASE("--env names a profile, and a variable is refused with the way to set one") {
  CHECK(Parse("start --env production").profile == "production");
  CHECK(Parse("reload api --env=staging").profile == "staging");
  CHECK_FALSE(Parse("start").profile.has_value());
  const std::vector<std::string> none = {"reload", "--env", ""};
  const auto options = ParseWords(none);
  REQUIRE(options.has_value());
  CHECK(options->profile == "");
  CHECK(Refusal("reload --env PORT=3000").find("goes into the Oxfile's env") != std::string::npos);
  CHECK(Refusal("stop --env production").find("stop has no option --env") != std::string::npos);
}

TEST_CASE("what PM2 calls it works too") {
  CHECK(Refusal("start api --attach") ==
        "oxherd: pm2's --attach has no equivalent here: oxherd logs -f follows\n");
  CHECK(Parse("jlist").verb == Verb::kList);
  CHECK(Parse("jlist").pm2_list == control::Pm2Form::kLine);
  CHECK(Parse("prettylist").pm2_list == control::Pm2Form::kIndented);
  CHECK_FALSE(Parse("jlist --json").pm2_list.has_value());
  CHECK_FALSE(Parse("list").pm2_list.has_value());
  CHECK(Refusal("start api --no-treekill").find("a stop ends the whole tree") != std::string::npos);
  CHECK(Refusal("restart api --update-env").find("reload --update-env") != std::string::npos);
  CHECK(Parse("desc api").verb == Verb::kStatus);
  CHECK(Parse("startOrReload prod.toml --env production").verb == Verb::kReload);
  CHECK(Parse("startOrReload prod.toml").oxfile == "prod.toml");
  CHECK(Parse("startOrRestart prod.toml").verb == Verb::kRestart);
  CHECK(Parse("resurrect").verb == Verb::kDaemonStart);
  CHECK(Parse("save").verb == Verb::kSave);
  CHECK(Parse("dump").verb == Verb::kSave);
  CHECK(Parse("pid api").verb == Verb::kPid);
  CHECK(Parse("id api").names == std::vector<std::string>{"api"});
}

TEST_CASE("start --foreground is run, unless the program's own arguments say so") {
  CHECK(Parse("start --foreground").verb == Verb::kRun);
  CHECK(Parse("start app.toml --foreground").oxfile == "app.toml");
  const Options start = Parse("start server.js -- --foreground");
  CHECK(start.verb == Verb::kStart);
  CHECK(start.arguments == std::vector<std::string>{"--foreground"});
}

TEST_CASE("flags mean what they say") {
  CHECK(Parse("list --watch").watches);

  const Options reload = Parse("reload api worker --parallel 4 --update-env --no-wait --json");
  CHECK(reload.names == std::vector<std::string>{"api", "worker"});
  CHECK(reload.parallel == 4);
  CHECK(reload.update_env);
  CHECK(reload.no_wait);
  CHECK(reload.json);

  const Options stop = Parse("stop api --with-dependents --force --timeout 1m30s");
  CHECK(stop.with_dependents);
  CHECK(stop.forced);
  CHECK(stop.timeout == Millis(90'000));

  CHECK(Parse("start --dry-run").dry_run);
  CHECK(Parse("start api --only").only);
  CHECK(Parse("daemon stop --keep").keep_instances);
  const Options wait = Parse("wait api --for healthy --timeout 200ms");
  CHECK(wait.until == control::Until::kHealthy);
  CHECK(wait.timeout == Millis(200));
}

TEST_CASE("logs has its own flags") {
  const Options options = Parse("logs api -f -n 40 --err --since 10m --grep a.c --utc --raw");
  CHECK(options.logs.follow);
  CHECK(options.logs.lines == 40U);
  CHECK(options.logs.only_err);
  CHECK(options.logs.since == Millis(600'000));
  CHECK(options.logs.pattern == "a.c");
  CHECK(options.logs.utc);
  CHECK(options.logs.raw);
  CHECK(Parse("daemon logs -n 5").logs.lines == 5U);
}

TEST_CASE("an unknown verb gets the nearest one") {
  CHECK(Refusal("strat") ==
        "oxherd: no command \"strat\"; did you mean \"start\"? oxherd --help lists them\n");
  CHECK(Refusal("daemon stats").find("did you mean \"daemon status\"?") != std::string::npos);
  CHECK(Refusal("daemon").find("oxherd daemon status") != std::string::npos);
  CHECK(Refusal("frobnicate").find("did you mean") == std::string::npos);
}

TEST_CASE("an unknown option gets the nearest one of that verb") {
  CHECK(Refusal("reload --no-wiat").find("did you mean --no-wait?") != std::string::npos);
  CHECK(Refusal("list --nope").find("list has no option --nope") != std::string::npos);
  CHECK(Refusal("list -z").find("list has no option -z") != std::string::npos);
  CHECK(Refusal("ping api").find("ping does not take \"api\"") != std::string::npos);
}

TEST_CASE("a wrong value is named with the option and what is expected") {
  CHECK(Refusal("wait api --timeout 5sec").find("\"5sec\" is not a duration; write 500ms") !=
        std::string::npos);
  CHECK(Refusal("wait api --for asleep").find("none of ready, healthy, done") != std::string::npos);
  CHECK(Refusal("reload --parallel 0").find("--parallel") != std::string::npos);
  CHECK(Refusal("reload --parallel -1").find("--parallel") != std::string::npos);
  CHECK(Refusal("reload --parallel many").find("--parallel") != std::string::npos);
  CHECK(Refusal("stop --timeout").find("--timeout") != std::string::npos);
  CHECK(Refusal("logs --err --out").find("--out") != std::string::npos);
}

TEST_CASE("what must be named is not guessed") {
  CHECK(Refusal("delete").find("oxherd delete all") != std::string::npos);
  CHECK(Refusal("wait").find("needs a NAME") != std::string::npos);
}

TEST_CASE("help is no error, and lists every verb") {
  const auto help = ParseWords(WordsOf("--help"));
  REQUIRE_FALSE(help.has_value());
  CHECK(help.error().code == 0);
  for (const VerbEntry& entry : Verbs()) {
    CHECK(help.error().text.find("  " + std::string(entry.name)) != std::string::npos);
    const auto own = ParseWords(WordsOf(std::string(entry.name) + " --help"));
    REQUIRE_FALSE(own.has_value());
    CHECK(own.error().code == 0);
    CHECK(own.error().text.find(entry.summary) != std::string::npos);
  }
}

}  // namespace
}  // namespace oxherd::cli
