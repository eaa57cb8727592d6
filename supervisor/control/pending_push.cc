#include "control/pending_push.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "control/json_fields.h"

namespace oxherd::control {

std::string EncodePendingPushes(const std::vector<PendingPush>& pushes) {
  Json list = Json::array();
  for (const auto& [service, push] : pushes) {
    list.push_back({{"service", service},
                    {"branch", push.branch},
                    {"commit", push.commit},
                    {"repository", push.repository}});
  }
  const Json object = {{"v", 1}, {"pushes", std::move(list)}};
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<std::vector<PendingPush>> DecodePendingPushes(std::string_view line) {
  OXHERD_TRY_ASSIGN(const Json object, ParseObject(line));
  std::string problem;
  std::vector<PendingPush> pushes;
  Fields(object, problem).ReadEach("pushes", pushes, [](const Fields& fields, PendingPush& push) {
    push.push.kind = PushEvent::Kind::kPush;
    fields.Read("service", push.service);
    fields.Read("branch", push.push.branch);
    fields.Read("commit", push.push.commit);
    fields.Read("repository", push.push.repository);
  });
  if (!problem.empty()) return MakeError(problem);
  return pushes;
}

}  // namespace oxherd::control
