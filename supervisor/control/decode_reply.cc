#include "base/signals.h"
#include "control/json_fields.h"
#include "control/wire.h"
#include "control/words.h"

namespace oxherd::control {
namespace {

void ReadTime(const Fields& fields, const char* key, std::optional<std::int64_t>& unix_ms) {
  std::string text;
  fields.Read(key, text);
  if (text.empty()) return;
  unix_ms = TimeFromText(text);
  if (!unix_ms) fields.Complain(key, "is no time");
}

void ReadTime(const Fields& fields, const char* key, std::int64_t& unix_ms) {
  std::optional<std::int64_t> time;
  ReadTime(fields, key, time);
  unix_ms = time.value_or(0);
}

void ReadExit(const Fields& fields, std::optional<ExitStatus>& status) {
  const Json* object = fields.Object("last_exit");
  if (object == nullptr) return;
  const Fields inner = fields.Inside(*object);
  ExitStatus read;
  if (inner.Find("code") != nullptr) {
    read.kind = ExitStatus::Kind::kCode;
    inner.Read("code", read.number);
  } else if (inner.Find("number") != nullptr) {
    read.kind = ExitStatus::Kind::kSignal;
    inner.Read("number", read.number);
    inner.Read("out_of_memory", read.out_of_memory);
  }
  status = read;
}

void ReadHealth(const Fields& fields, std::optional<Health>& health) {
  const Json* object = fields.Object("health");
  if (object == nullptr) return;
  const Fields inner = fields.Inside(*object);
  Health read;
  std::optional<bool> good;
  inner.Read("ok", good);
  if (good) read.kind = *good ? Health::Kind::kGood : Health::Kind::kBad;
  inner.Read("ms", read.ms);
  inner.Read("text", read.text);
  health = std::move(read);
}

void ReadRow(const Fields& fields, Row& row) {
  fields.Read("id", row.id);
  fields.Read("service", row.service);
  fields.Read("instance", row.slot);
  fields.Read("state", row.state);
  ReadTime(fields, "since", row.since_unix_ms);
  fields.Read("wanted", row.wanted);
  fields.Read("pid", row.pid);
  fields.Read("generation", row.generation);
  fields.Read("uptime_ms", row.uptime_ms);
  fields.Read("restarts", row.restarts);
  fields.Read("crashes", row.crashes);
  fields.Read("crash_span_ms", row.crash_span_ms);
  ReadExit(fields, row.last_exit);
  ReadTime(fields, "next_try", row.next_try_unix_ms);
  ReadTime(fields, "next_run", row.next_run_unix_ms);
  fields.Read("cpu_percent", row.cpu_percent);
  fields.Read("memory_bytes", row.memory_bytes);
  ReadHealth(fields, row.health);
  fields.Read("listen", row.listen);
  fields.Read("namespace", row.name_space);
  fields.Read("taken_out", row.taken_out);
  fields.Read("says", row.says);
  fields.Read("reason", row.reason);
  fields.Read("remark", row.remark);
  fields.Read("waits_for", row.waits_for);
  if (const Json* object = fields.Object("replaced")) {
    ReadTime(fields.Inside(*object), "time", row.replaced_unix_ms);
    fields.Inside(*object).Read("because", row.replaced_because);
  }
  if (const Json* object = fields.Object("replacement")) {
    fields.Inside(*object).Read("generation", row.next_generation);
    fields.Inside(*object).Read("state", row.next_state);
  }
  fields.Read("out_log", row.out_log);
  fields.Read("err_log", row.err_log);
}

void ReadService(const Fields& fields, ServiceResult& service) {
  fields.Read("name", service.name);
  fields.Read("instance", service.instance);
  fields.ReadWord("result", service.outcome, OutcomeFromName);
  fields.Read("generation", service.generation);
  fields.Read("tried", service.tried);
  fields.Read("instances", service.instances);
  fields.Read("ms", service.ms);
  fields.Read("gap_ms", service.gap_ms);
  fields.Read("reason", service.reason);
  fields.Read("failed_instance", service.failed_instance);
  fields.Read("log_tail", service.log_tail);
  fields.Read("notes", service.notes);
}

void ReadStep(const Fields& fields, PlanStep& step) {
  fields.Read("name", step.service);
  fields.ReadWord("step", step.kind, StepFromName);
  fields.Read("instances", step.instances);
  fields.Read("differences", step.differences);
}

void ReadLastReload(const Fields& fields, std::optional<ReloadRecord>& last_reload) {
  const Json* object = fields.Object("last_reload");
  if (object == nullptr) return;
  const Fields inner = fields.Inside(*object);
  ReloadRecord read;
  inner.Read("generation", read.target);
  inner.Read("ok", read.succeeded);
  ReadTime(inner, "ended", read.ended_unix_ms);
  inner.Read("reason", read.reason);
  last_reload = std::move(read);
}

void ReadPool(const Fields& fields, PoolRow& pool) {
  fields.Read("address", pool.address);
  fields.Read("not_steered", pool.steering);
  fields.ReadEach("sockets", pool.sockets, [](const Fields& each, PoolRow::Socket& socket) {
    each.Read("number", socket.number);
    each.Read("holder", socket.holder);
    each.Read("in_traffic", socket.in_traffic);
    each.Read("waiting", socket.waiting);
    each.Read("down", socket.is_down);
  });
}

void ReadDetail(const Fields& fields, ServiceDetail& detail) {
  fields.Read("name", detail.name);
  fields.Read("type", detail.type);
  fields.Read("namespace", detail.name_space);
  fields.Read("wanted", detail.wanted);
  fields.Read("ready", detail.ready);
  fields.Read("generation", detail.generation);
  ReadTime(fields, "running_since", detail.running_since_unix_ms);
  fields.Read("reloading", detail.reloading);
  ReadLastReload(fields, detail.last_reload);
  fields.Read("differences", detail.differences);
  fields.Read("file_problem", detail.file_problem);
  fields.Read("command", detail.command);
  fields.Read("folder", detail.folder);
  fields.Read("oxfile", detail.oxfile);
  fields.Read("line", detail.line);
  fields.Read("env_files", detail.env_files);
  fields.Read("depends_on", detail.depends_on);
  fields.Read("ready_by", detail.ready_by);
  fields.Read("restart", detail.restart);
  fields.Read("stop", detail.stop);
  fields.Read("limits", detail.limits);
  fields.ReadEach("sockets", detail.pools, ReadPool);
  fields.Read("swept", detail.swept);
  fields.ReadEach("instances", detail.instances, ReadRow);
  fields.ReadEach("events", detail.events, [](const Fields& event, Happening& happening) {
    ReadTime(event, "time", happening.unix_ms);
    event.Read("text", happening.text);
  });
}

DaemonDetail ReadDaemon(const Fields& fields) {
  DaemonDetail daemon;
  fields.Read("pid", daemon.pid);
  fields.Read("keeper_pid", daemon.keeper_pid);
  fields.Read("version", daemon.version);
  fields.Read("socket", daemon.socket);
  fields.Read("state_folder", daemon.state_folder);
  fields.Read("log_folder", daemon.log_folder);
  fields.Read("daemon_log", daemon.daemon_log);
  fields.Read("uptime_ms", daemon.uptime_ms);
  ReadTime(fields, "started", daemon.started_unix_ms);
  fields.Read("daemon_number", daemon.daemon_number);
  fields.Read("services", daemon.services);
  fields.Read("instances", daemon.instances);
  fields.Read("ready", daemon.ready);
  fields.Read("warnings", daemon.warnings);
  return daemon;
}

void ReadError(const Fields& fields, Reply& reply) {
  bool ok = false;
  fields.Read("ok", ok);
  if (ok) return;
  int code = static_cast<int>(ExitCode::kNotDone);
  if (const Json* object = fields.Object("error")) {
    const Fields inner = fields.Inside(*object);
    inner.Read("code", code);
    inner.Read("message", reply.error);
    inner.Read("details", reply.errors);
  }
  if (code < 1 || code > 4) return fields.Complain("code", "is not 1 to 4");
  reply.code = static_cast<ExitCode>(code);
}

void ReadEnvironment(const Fields& fields, ServiceEnvironment& environment) {
  fields.Read("service", environment.service);
  fields.Read("folder", environment.folder);
  if (const Json* object = fields.Object("run_as")) {
    const Fields inner = fields.Inside(*object);
    RunAs& run_as = environment.run_as.emplace();
    inner.Read("user", run_as.user);
    inner.Read("group", run_as.group);
    inner.Read("uid", run_as.uid);
    inner.Read("gid", run_as.gid);
    if (const Json* groups = inner.Find("groups"); groups != nullptr && groups->is_array()) {
      for (const Json& group : *groups) {
        if (group.is_number_unsigned()) run_as.groups.push_back(group.get<std::uint32_t>());
      }
    }
  }
  fields.ReadEach("variables", environment.variables,
                  [](const Fields& inner, ServiceEnvironment::Variable& variable) {
                    inner.Read("name", variable.name);
                    variable.hidden = inner.Find("value") == nullptr;
                    inner.Read("value", variable.value);
                  });
}

Reply ReadReply(const Fields& fields) {
  Reply reply;
  fields.ReadWord("command", reply.command, CommandFromName);
  ReadError(fields, reply);
  fields.Read("version", reply.daemon_version);
  fields.Read("ms", reply.ms);
  fields.ReadEach("services", reply.services, ReadService);
  fields.ReadEach("plan", reply.plan, ReadStep);
  fields.ReadEach("instances", reply.instances, ReadRow);
  fields.ReadEach("details", reply.details, ReadDetail);
  fields.ReadEach("environments", reply.environments, ReadEnvironment);
  if (const Json* object = fields.Object("daemon"))
    reply.daemon = ReadDaemon(fields.Inside(*object));
  fields.Read("notes", reply.notes);
  return reply;
}

Accepted ReadAccepted(const Fields& fields) {
  Accepted accepted;
  std::string id;
  fields.Read("accepted", id);
  const std::optional<RequestId> known = IdFromText(id);
  if (!known) fields.Complain("accepted", "is not 16 hexadecimal digits");
  accepted.id = known.value_or(RequestId());
  fields.Read("oxfiles", accepted.oxfiles);
  fields.Read("notes", accepted.notes);
  return accepted;
}

Progress ReadProgress(const Fields& fields) {
  Progress progress;
  std::string kind;
  fields.Read("kind", kind);
  progress.kind = KindFromName(kind);
  fields.Read("service", progress.service);
  fields.Read("instance", progress.slot);
  fields.Read("generation", progress.generation);
  fields.Read("text", progress.text);
  fields.Read("ms", progress.ms);
  fields.Read("detail", progress.detail);
  fields.Read("failed", progress.failed);
  return progress;
}

}  // namespace

Result<FromDaemon> DecodeFromDaemon(std::string_view line) {
  if (line.size() > kMaxReplyLine) return MakeError("the daemon's answer is too long");
  OXHERD_TRY_ASSIGN(const Json object, ParseObject(line));
  std::string problem;
  const Fields fields(object, problem);
  int version = 0;
  fields.Read("v", version);
  FromDaemon message;
  if (version != kWireVersion) {
    problem = "it is not of version 1";
  } else if (fields.Find("accepted") != nullptr) {
    message = ReadAccepted(fields);
  } else if (const Json* progress = fields.Object("progress")) {
    message = ReadProgress(fields.Inside(*progress));
  } else if (fields.Find("ok") != nullptr) {
    message = ReadReply(fields);
  } else if (problem.empty()) {
    problem = "it is no message that is known here";
  }
  if (!problem.empty()) return MakeError("an answer of the daemon that cannot be read: " + problem);
  return message;
}

}  // namespace oxherd::control
