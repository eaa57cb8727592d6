#include <charconv>

#include "control/json_fields.h"
#include "control/wire.h"

namespace oxherd::control {
namespace {

constexpr std::uint8_t kLastSignal = 64;

void CheckLength(const Fields& fields, const char* key, const std::string& text) {
  if (text.size() > kMaxText) fields.Complain(key, "is too long");
  // Names and paths reach system calls, which end at a NUL.
  if (text.find('\0') != std::string::npos) fields.Complain(key, "has a NUL byte");
}

void CheckPath(const Fields& fields, const char* key, const std::string& path) {
  CheckLength(fields, key, path);
  if (!path.empty() && path[0] != '/') fields.Complain(key, "is no absolute path");
}

void ReadNames(const Fields& fields, Request& request) {
  fields.Read("names", request.names);
  if (request.names.size() > kMaxNames) fields.Complain("names", "is too long");
  for (const std::string& name : request.names) CheckLength(fields, "names", name);
}

void ReadEnvironment(const Fields& fields, Request& request) {
  const Json* object = fields.Object("environment");
  if (object == nullptr) return;
  if (object->size() > kMaxVariables) return fields.Complain("environment", "is too long");
  for (const auto& [name, value] : object->items()) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr) return fields.Complain("environment", "holds what is no text");
    CheckLength(fields, "environment", name);
    CheckLength(fields, "environment", *text);
    if (name.empty() || name.find('=') != std::string::npos) {
      fields.Complain("environment", "holds what is no name");
    }
    request.environment.emplace_back(name, *text);
  }
}

void ReadOptions(const Fields& fields, Request& request) {
  fields.Read("no_wait", request.no_wait);
  fields.Read("dry_run", request.dry_run);
  fields.Read("forced", request.forced);
  fields.Read("only", request.only);
  fields.Read("with_dependents", request.with_dependents);
  fields.Read("update_env", request.update_env);
  fields.Read("keep_instances", request.keep_instances);
  fields.Read("parallel", request.parallel);
  if (request.parallel == 0) fields.Complain("parallel", "is zero");
  fields.ReadWord("until", request.until, UntilFromName);
  std::optional<std::uint32_t> timeout_ms;
  fields.Read("timeout_ms", timeout_ms);
  if (timeout_ms) request.timeout = Millis(*timeout_ms);
  fields.Read("to", request.to);
  fields.Read("signal", request.signal);
  if (request.signal > kLastSignal) fields.Complain("signal", "is no signal");
  fields.Read("reveal", request.reveal);
  fields.Read("count", request.count);
  fields.Read("relative", request.relative);
  if (request.count < -kMaxInstances || request.count > kMaxInstances) {
    fields.Complain("count", "is out of range");
  }
}

RequestId ReadId(const Fields& fields, const char* key) {
  std::string text;
  fields.Read(key, text);
  const std::optional<RequestId> id = IdFromText(text);
  if (!id) fields.Complain(key, "is not 16 hexadecimal digits");
  return id.value_or(RequestId());
}

Result<FromClient> ReadRequest(const Fields& fields, const std::string& problem) {
  Request request;
  request.id = ReadId(fields, "id");
  std::string command;
  fields.Read("command", command);
  const std::optional<Command> known = CommandFromName(command);
  if (!known && problem.empty()) {
    CheckLength(fields, "command", command);
    return MakeError("this daemon knows no command \"" + command.substr(0, 40) + "\"");
  }
  request.command = known.value_or(Command::kPing);
  fields.Read("client", request.client_version);
  CheckLength(fields, "client", request.client_version);
  ReadNames(fields, request);
  fields.Read("oxfile", request.oxfile);
  CheckPath(fields, "oxfile", request.oxfile);
  fields.Read("oxfile_named", request.oxfile_named);
  fields.Read("more_oxfiles", request.more_oxfiles);
  if (request.more_oxfiles.size() > kMaxNames) fields.Complain("more_oxfiles", "is too long");
  for (const std::string& path : request.more_oxfiles) CheckPath(fields, "more_oxfiles", path);
  fields.Read("profile", request.profile);
  CheckLength(fields, "profile", request.profile.value_or(""));
  fields.Read("folder", request.folder);
  CheckPath(fields, "folder", request.folder);
  ReadEnvironment(fields, request);
  ReadOptions(fields, request);
  if (!problem.empty()) return MakeError("a request that cannot be read: " + problem);
  return request;
}

}  // namespace

std::string IdText(RequestId id) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 0; i < 16; ++i) text[i] = kDigits[id.number() >> (60 - 4 * i) & 15];
  return text;
}

std::optional<RequestId> IdFromText(std::string_view text) {
  if (text.size() != 16) return std::nullopt;
  if (text.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (number == 0) return std::nullopt;
  return RequestId(number);
}

Result<FromClient> DecodeFromClient(std::string_view line) {
  if (line.size() > kMaxRequestLine) return MakeError("the request is longer than 1 MiB");
  OXHERD_TRY_ASSIGN(const Json object, ParseObject(line));
  std::string problem;
  const Fields fields(object, problem);
  int version = 0;
  fields.Read("v", version);
  if (version != kWireVersion) {
    return MakeError(
        "the request is not of version 1: the oxherd that sent it is no match for "
        "this daemon");
  }
  if (fields.Find("attach") != nullptr) {
    const Attach attach{ReadId(fields, "attach")};
    if (!problem.empty()) return MakeError("a request that cannot be read: " + problem);
    return attach;
  }
  return ReadRequest(fields, problem);
}

}  // namespace oxherd::control
