// Which fields of each part of the state are saved, in which order: one list for both directions.
//
// Internal to core/codec. New fields go at the end of a struct's list: an older record lacks them
// and leaves their defaults, an older reader skips them.
#pragma once

#include <concepts>
#include <type_traits>

#include "core/state.h"

namespace oxherd::codec {

// `Self` is T or const T: the same list serves reading and writing.
template <typename Self, typename T>
concept Like = std::same_as<std::remove_const_t<Self>, T>;

void Fields(auto& archive, Like<ExitStatus> auto& x) { archive(x.kind, x.number, x.out_of_memory); }
void Fields(auto& archive, Like<Failure> auto& x) {
  archive(x.kind, x.status, x.was_ready, x.old_lost, x.verb, x.stage, x.slot, x.number, x.millis,
          x.other, x.token, x.service, x.address, x.text);
}

// ---- specs
void Fields(auto& archive, Like<Dependency> auto& x) { archive(x.service, x.kind); }
void Fields(auto& archive, Like<Command> auto& x) { archive(x.argv, x.through_shell); }
void Fields(auto& archive, Like<HealthCheck> auto& x) {
  archive(x.kind, x.target, x.command, x.interval, x.timeout, x.initial_delay, x.healthy_threshold,
          x.unhealthy_threshold);
}
void Fields(auto& archive, Like<LogSpec> auto& x) {
  archive(x.out_path, x.err_path, x.date_format, x.max_bytes, x.max_files, x.max_days, x.to, x.mode,
          x.group, x.gid, x.compress);
}
void Fields(auto& archive, Like<EnvEntry> auto& x) { archive(x.first, x.second); }
void Fields(auto& archive, Like<Limits> auto& x) {
  archive(x.max_open_files, x.max_processes, x.core_bytes, x.memory_bytes, x.cpu_permille,
          x.cpu_window, x.enforce);
}
void Fields(auto& archive, Like<RunAs> auto& x) {
  archive(x.user, x.group, x.uid, x.gid, x.groups);
}
void Fields(auto& archive, Like<ListenAddress> auto& x) { archive(x.address, x.any_family); }
void Fields(auto& archive, Like<Policy> auto& x) {
  archive(x.type, x.instances, x.restart, x.reload_strategy, x.kill_mode, x.ready_by, x.autostart,
          x.reload_parallel, x.stop_signal, x.ready_timeout, x.min_uptime, x.start_delay,
          x.restart_delay, x.restart_delay_max, x.max_restarts, x.restart_window, x.failed_retry,
          x.stop_timeout, x.hook_timeout, x.pre_reload_timeout, x.has_pre_reload, x.has_pre_stop,
          x.has_post_stop, x.has_health, x.health_interval, x.health_initial_delay,
          x.health_timeout, x.healthy_threshold, x.unhealthy_threshold, x.depends_on, x.listen,
          x.drain, x.drain_max, x.scheduled, x.reload_signal, x.auto_listen);
}
void Fields(auto& archive, Like<Webhook> auto& x) {
  archive(x.enabled, x.address, x.secret, x.branch, x.on_push);
}
void Fields(auto& archive, Like<WatchSpec> auto& x) {
  archive(x.paths, x.extensions, x.ignore, x.delay);
}
void Fields(auto& archive, Like<Spec> auto& x) {
  archive(x.name, x.policy, x.command, x.working_dir, x.program, x.env, x.port_base, x.ready_log,
          x.health_check, x.pre_reload_cmd, x.pre_stop_cmd, x.post_stop_cmd, x.logs, x.limits,
          x.nice, x.source_file, x.source_line, x.env_files, x.included_from, x.run_as, x.umask,
          x.no_new_privs, x.profile, x.cron_restart, x.schedule, x.timezone, x.watch, x.name_space,
          x.scaled_from, x.webhook);
}

// ---- instances
void Fields(auto& archive, Like<Process> auto& x) { archive(x.token, x.pid, x.spawned_at); }
void Fields(auto& archive, Like<Probing> auto& x) { archive(x.next, x.asking, x.streak); }
void Fields(auto& archive, Like<Waiting> auto& x) { archive(x.delay_until, x.order); }
void Fields(auto& archive, Like<Starting> auto& x) {
  archive(x.process, x.confirmed, x.ready_by, x.proven_at, x.probing);
}
void Fields(auto& archive, Like<Ready> auto& x) {
  archive(x.process, x.since, x.probing, x.deaf_at);
}
void Fields(auto& archive, Like<Unhealthy> auto& x) {
  archive(x.process, x.ready_since, x.since, x.next_try, x.tries, x.probing);
}
void Fields(auto& archive, Like<Draining> auto& x) {
  archive(x.process, x.ready_since, x.until, x.not_before, x.drained, x.watched, x.unhealthy_since);
}
void Fields(auto& archive, Like<Stopping> auto& x) {
  archive(x.process, x.phase, x.until, x.after, x.hook);
}
void Fields(auto& archive, Like<Killing> auto& x) {
  archive(x.process, x.unkillable_at, x.unkillable, x.why, x.after);
}
void Fields(auto& archive, Like<Backoff> auto& x) { archive(x.until); }
void Fields(auto& archive, Like<Exited> auto& x) { archive(x.awaits_schedule); }
void Fields(auto& archive, Like<Failed> auto& x) { archive(x.retry_at); }
void Fields(auto& /*archive*/, Like<Stopped> auto& /*x*/) {}
void Fields(auto& archive, Like<Instance> auto& x) {
  archive(x.generation, x.state, x.crashes, x.text_busy, x.restarts, x.was_ready, x.state_since,
          x.first_crash, x.failure, x.last_exit, x.socket, x.taken_out, x.out_until, x.out_watched);
}

// ---- services
void Fields(auto& archive, Like<Slot> auto& x) {
  archive(x.current, x.replacement, x.wish, x.reached, x.socket, x.is_due);
}
void Fields(auto& archive, Like<Rollout> auto& x) {
  archive(x.cause, x.phase, x.from, x.target, x.strategy, x.slots.each(), x.failure, x.hook,
          x.settle_at, x.began, x.changes_hands, x.untold);
}
void Fields(auto& archive, Like<NextRollout> auto& x) { archive(x.target); }
void Fields(auto& archive, Like<Hook> auto& x) {
  archive(x.token, x.kind, x.slot, x.generation, x.deadline, x.killed, x.status);
}
void Fields(auto& archive, Like<KeptSpec> auto& x) { archive(x.generation, x.spec, x.was_ready); }
void Fields(auto& archive, Like<LastReload> auto& x) {
  archive(x.target, x.succeeded, x.ended, x.failure);
}
void Fields(auto& archive, Like<Pool> auto& x) {
  archive(x.address, x.width, x.asked, x.awaited, x.shared, x.was_ready, x.order, x.places, x.stale,
          x.steered, x.relistening, x.lost, x.shut_early, x.id);
}
void Fields(auto& archive, Like<SocketQueue> auto& x) { archive(x.sweep_at, x.quiet_at); }
void Fields(auto& archive, Like<Traffic> auto& x) { archive(x.pools, x.queues, x.ipv4_only); }
void Fields(auto& archive, Like<StopOrder> auto& x) { archive(x.after); }
void Fields(auto& archive, Like<Service> auto& x) {
  archive(x.name, x.wish, x.deleting, x.generation, x.last_generation, x.specs, x.slots, x.rollout,
          x.next, x.waits_for, x.stop_order, x.last_reload, x.hooks, x.revision, x.traffic);
}

// ---- the rest
void Fields(auto& archive, Like<RequestItem> auto& x) {
  archive(x.service, x.verb, x.outcome, x.generation, x.tried, x.slot, x.limit, x.differs,
          x.was_stopped, x.failure, x.count, x.relative);
}
void Fields(auto& archive, Like<RequestRecord> auto& x) {
  archive(x.id, x.verb, x.items, x.parallel, x.until, x.accepted, x.deadline, x.finished);
}
void Fields(auto& archive, Like<Shutdown> auto& x) {
  archive(x.request, x.forced, x.keep_instances);
}
void Fields(auto& archive, Like<Settings> auto& x) {
  archive(x.start_parallel, x.proving_parallel);
}

}  // namespace oxherd::codec
