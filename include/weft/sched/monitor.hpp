// The monitor: a thread of the pool that notices a worker stuck in one job while other work waits, and lends the worker's place
// to a spare until it returns. It also makes ready what is due while nobody else looks at the clock.
#pragma once

#include <weft/os/thread_state.hpp>
#include <weft/sched/run_loop.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

namespace weft::detail {

//   monitor_state_   absent ── armed ──▶ awake (the thread is started)      awake ── nothing to see for a while ──▶ asleep ── armed ──▶ awake
//
//   Armed by whoever leaves work, a clock or events that nobody is free for: a producer that finds no sleeper and no searcher; the last
//   searcher that finds a job, and the last in the driver that gets one; who sets a deadline that nobody watches.
//   E1  seq_cst, both: that one makes work visible or leaves the searchers, then reads monitor_state_; the monitor writes asleep, then
//       looks at who is free and what waits. One of the two sees the other.
//   E2  seq_cst, both: a worker announces its sleep, on its futex or in the driver, then reads lent; the monitor writes lent, then reads who
//       sleeps. So a worker never sleeps with its place lent.
//
// Which worker is replaced: one at a look, and only such as successive looks have found in the same job. One that waits in the
// kernel leaves a core idle: it is replaced while anything waits. One that computes keeps its core busy, and a spare beside it only
// shares that: it is replaced once it has used a millisecond and a half of CPU time in that job (one that was preempted is not
// stuck), and where timers are due, or ready jobs wait and nobody has ended a job since the last look. None is replaced while as
// many that have been are computing as the pool has workers, so that a queue of long computations does not become a thread each. A
// place is lent until the worker's next return to its loop.
// A loop that has lent its place and then waits in the kernel leaves its core idle, too, while a spare stands by: it is found in the
// same way, and counts as waiting until it goes on.
// The monitor makes ready what events have come, but leaves timers, of which many may be due, to the spare.
// Ticks: one millisecond while ready jobs or timers wait, up to four otherwise, then none: an idle pool costs nothing.

inline void scheduler::arm_monitor() noexcept {
  auto seen = monitor_state_.load(memory_order_seq_cst);  // E1.
  if (seen == monitor_state::awake) return;
  if (!monitor_state_.compare_exchange_strong(seen, monitor_state::awake, memory_order_seq_cst)) return;  // E1.
  if (seen == monitor_state::asleep) monitor_sleep_.unpark();
  else start_monitor();
}

// Started when first needed. Where no thread can be had the pool does without, and tries again later.
[[gnu::noinline, gnu::cold]] inline void scheduler::start_monitor() noexcept {
  constexpr auto patience = std::chrono::milliseconds(100);
  auto const now = clock::now();
  small_lock const guard(threads_lock_);
  if (exiting_.load(memory_order_relaxed)) return;
  if (now >= monitor_retry_) {
    if (!monitor_thread_) monitor_thread_.reset(new (std::nothrow) monitor_thread{this, {}});
    if (monitor_thread_ && !monitor_thread_->handle.try_start({.name = name_}, *monitor_thread_)) return;
    monitor_retry_ = now + patience;
  }
  monitor_state_.store(monitor_state::absent, memory_order_relaxed);
}

inline void scheduler::monitor() noexcept {
  cpus_.apply_to_this_thread();
  using std::chrono::milliseconds;
  constexpr auto shortest = milliseconds(1), longest = milliseconds(4);
  constexpr int most_calm = 12;
  // Relaxed, here and below: shut_down sets it, then unparks.
  while (!exiting_.load(memory_order_relaxed)) {
    auto tick = shortest;
    for (int calm = 0; calm != most_calm;) {
      monitor_sleep_.park(clock::now() + tick);
      if (exiting_.load(memory_order_relaxed)) return;
      auto const again = monitor_look();
      calm = again == need::none ? calm + 1 : 0;
      tick = again == need::urgent ? shortest : std::min(2 * tick, longest);
    }
    monitor_state_.store(monitor_state::asleep, memory_order_seq_cst);  // E1.
    if (monitor_needed()) {
      auto asleep = monitor_state::asleep;
      monitor_state_.compare_exchange_strong(asleep, monitor_state::awake, memory_order_relaxed);
      continue;
    }
    while (monitor_state_.load(memory_order_relaxed) == monitor_state::asleep && !exiting_.load(memory_order_relaxed))
      monitor_sleep_.park();
  }
}

// E1: after asleep was written.
inline bool scheduler::monitor_needed() const noexcept {
  idle.synchronise();
  if (idle.searching() != 0 || idle.sleeping() != 0) return work_is_left_to_loops();
  return something_to_watch() || work_visible();
}

// One is idle, and leaves what is in deques to the loops that have lent their places.
inline bool scheduler::work_is_left_to_loops() const noexcept {
  return loops_lent_.load(memory_order_seq_cst) != 0 && idle.idle() <= 1 && work_visible();  // E of stands_by.
}

inline scheduler::need scheduler::look_at_loops() noexcept {
  if (!work_is_left_to_loops()) return need::none;
  auto const count = worker_count();
  auto const look = ++monitor_looks_;
  for (unsigned i = 0; i < count; ++i) {
    worker& w = worker_at(i);
    auto const thread = w.thread_number.load(memory_order_relaxed);
    if (thread == 0 || w.loop_lends.load(memory_order_relaxed) != lending::computing) continue;
    if (std::exchange(w.last_looked, look) + 1 != look || activity_of(thread) != thread_activity::waits)
      w.looks_asleep = 0;
    else if (++w.looks_asleep > 1 && loop_waits(w)) w.looks_asleep = 0;
  }
  return need::slow;
}

inline scheduler::need scheduler::monitor_look() noexcept {
  if (idle.searching() != 0 || idle.sleeping() != 0) return look_at_loops();
  bool const watched = something_to_watch();
  if (watched && (monitor_self_ || (monitor_self_ = add_worker(worker_kind::external))))
    poll_events(*monitor_self_, 900 * ticks_per_microsecond);
  bool const due = timers_due();
  bool const ready = ready_jobs_wait();
  if (!due && !ready && !work_visible()) return watched ? need::slow : need::none;
  if (surplus_.load(memory_order_relaxed) < 0) start_spare_if_short();  // one that could not be had before

  constexpr int most_asked = 8;  // the system is asked what a thread does: some µs each
  constexpr auto long_job = std::chrono::microseconds(1500);
  bool progress = false;
  worker *asleep = nullptr, *computing = nullptr;
  unsigned lent_computing = 0;
  int asked = 0;
  auto const count = worker_count();
  auto const look = ++monitor_looks_;
  for (unsigned i = 0; i < count; ++i) {
    worker& w = worker_at(static_cast<unsigned>((look + i) % count));
    if (w.kind == worker_kind::external || w.thread_number.load(memory_order_relaxed) == 0) continue;
    bool const successive = std::exchange(w.last_looked, look) + 1 == look;
    auto const jobs = w.jobs.get();
    bool const same_job = std::exchange(w.jobs_seen, jobs) == jobs;
    progress |= !same_job;
    bool const elsewhere =
        w.waits.load(memory_order_relaxed) != 0 || w.in_reserve.load(memory_order_relaxed) || idle.asleep(w.index);
    auto const thread = w.thread_number.load(memory_order_relaxed);
    if (!successive || !same_job || elsewhere) {
      w.looks_asleep = 0;
      w.used_before_job = cpu_time_of(thread);
    } else if (w.lent.load(memory_order_relaxed)) {
      if (activity_of(thread) != thread_activity::waits) ++lent_computing;
    } else if (asked++ < most_asked) {
      w.looks_asleep = activity_of(thread) == thread_activity::waits ? w.looks_asleep + 1 : 0;
      if (w.looks_asleep > 1) asleep = &w;
      else if (cpu_time_of(thread) - w.used_before_job > long_job) computing = &w;
    }
  }
  if (lent_computing < size_) {
    if (asleep) lend_place_of(*asleep);
    else if (computing && (due || (ready && !progress))) lend_place_of(*computing);
  }
  return due || ready ? need::urgent : need::slow;
}

// A clock, or events.
inline bool scheduler::something_to_watch() const noexcept {
  driver* const d = installed_driver();
  if (d && d->next_deadline() != clock::time_point::max()) return true;
  event_driver* const events = installed_events();
  return events && events->watches();
}

inline bool scheduler::timers_due() const noexcept {
  driver* const d = installed_driver();
  if (!d) return false;
  auto const deadline = d->next_deadline();
  return deadline != clock::time_point::max() && deadline <= clock::now();
}

inline void scheduler::lend_place_of(worker& stuck) noexcept {
  {
    small_lock const guard(threads_lock_);
    if (stuck.lent.load(memory_order_relaxed) || stuck.waits.load(memory_order_relaxed) != 0 ||
        stuck.in_reserve.load(memory_order_relaxed) || exiting_.load(memory_order_relaxed))
      return;
    stuck.lent.store(true, memory_order_seq_cst);  // E2.
    ++blocked_;
    count_threads();
  }
  auto const count = worker_count();
  for (unsigned i = 0; i < count; ++i) worker_at(i).deque.raise_want();  // for the spare: see begin_blocking
  idle.synchronise();                                                    // E2.
  bool const sleeps = idle.asleep(stuck.index) || stuck.in_driver.load(memory_order_seq_cst);  // E2.
  if (sleeps || stuck.jobs.get() != stuck.jobs_seen) take_place_back(stuck);
  else start_spare_if_short();
}

// The worker, back in its loop; or the monitor, which was too late.
[[gnu::noinline, gnu::cold]] inline void scheduler::take_place_back(worker& self) noexcept {
  small_lock const guard(threads_lock_);
  if (!self.lent.load(memory_order_relaxed)) return;
  self.lent.store(false, memory_order_relaxed);
  if (self.waits.load(memory_order_relaxed) != 0) return;
  --blocked_;
  count_threads();
}

}  // namespace weft::detail
