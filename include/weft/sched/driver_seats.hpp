// How idle workers wait for events from outside: two of them sleep in the event driver, a leader and a standby. What comes to one
// that sits there runs on it at once; the next event finds the other, so that nobody has to be woken to wait.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/sched/run_loop.hpp>

#include <memory>

namespace weft::detail {

//   A worker sits down as the last step of its search, and the system wakes one of those who sit for each event: the one that sat down
//   last, whose caches are warm. They have no names here, so who wants one of them woken for a job makes one of the seated a called one,
//   in one step (idle_set), and interrupts; whoever returns from the wait first takes the call.
//
//   called = those in seats − those counted as seated: each who gets up takes itself out of the count or takes a call.
//
//   E1  seq_cst, both: who makes events().watches() true, or leaves the last seat, then looks for sleepers; a sleeper announces itself,
//       then looks whether somebody sits. One of the two sees the other, and an idle worker sits down.
//   E2  seq_cst, both: one is called, then interrupted; who is interrupted takes a call after that, and interrupts again if there
//       are more. Who polls without a seat and finds an interrupt passes it on.
//   E3  timekeeper_'s release → deadline_moved's acquire: where the keeper of the time sits, in_driver, which it has written before. Who reads
//       an earlier keeping comes before the exchange that ends it, and after that the keeper looks at the deadline; it may find the
//       keeper in a seat that it has taken since, and in_driver's release → deadline_moved's acquire is that there are events then. Who
//       finds the keeper in a seat writes time_moved_, then interrupts; who takes time_moved_ keeps the time from then on, or, if it
//       leaves, says so again.
//   E4  exiting_ is set, then those who sit are interrupted. Who gets that interrupt sees it set, and passes the interrupt on: it is kept
//       until all have left.

inline event_driver* scheduler::install_events(std::unique_ptr<event_driver> d) noexcept {
  event_driver* expected = nullptr;
  // See installed_events.
  if (events_.compare_exchange_strong(expected, d.get(), memory_order_seq_cst)) return d.release();
  return expected;
}

// Events are watched, but nobody sits in the driver.
inline bool scheduler::events_unwatched() const noexcept {
  event_driver* const events = installed_events();
  return events && events->watches() && idle.seated() == 0;  // E1.
}

inline void scheduler::events_watched() noexcept {
  if (!events_unwatched()) return;
  auto const index =
      idle.claim_sleeper(idle_set::claim::unless_searching, idle_set::nobody, timekeeper_.load(memory_order_relaxed));
  if (index != idle_set::nobody) return wake(index);
  if (idle.searching() == 0) arm_monitor();
}

inline void scheduler::nudge_seat() noexcept {
  time_moved_.store(true, memory_order_seq_cst);  // E3.
  event_driver* const events = installed_events();
  WEFT_ASSERT(events, "who sits, sits in a driver");  // E3
  events->interrupt();
}

inline bool scheduler::take_seat_call(event_driver& events) noexcept {
  auto const calls = idle.take_call();  // E2.
  if (calls > 1) events.interrupt();
  return calls != 0;
}

// What came from outside, behind what this worker has; woken are others only for it.
inline void scheduler::submit_batch(worker& self, ready_batch& batch) noexcept {
  if (batch.empty()) return;
  while (ready_job* const j = batch.pop())
    if (self.kind == worker_kind::external || !self.ring.push(j)) inject(j);
  notify_work();
}

inline void scheduler::submit_woken(worker& self, ready_batch& batch) noexcept {
  if (batch.has_one()) submit_woken(self, batch.pop());
  else submit_batch(self, batch);
}

// Unless somebody else looks at the events: in a seat, at this moment, or not longer ago than `patience` ticks.
inline void scheduler::poll_events(worker& self, std::uint64_t patience) noexcept {
  event_driver* const events = installed_events();
  if (!events || !events->watches() || idle.seated() != 0) return;
  auto const now = ticks();
  if (now - last_poll_.load(memory_order_relaxed) < patience) return;
  // Relaxed: a matter of not getting in each other's way.
  if (polling_.load(memory_order_relaxed) || polling_.exchange(true, memory_order_relaxed)) return;
  last_poll_.store(now, memory_order_relaxed);
  ready_batch batch;
  bool const interrupted = events->poll(batch);
  polling_.store(false, memory_order_relaxed);
  // It was meant for somebody who sits, or who is on the way there.
  if (interrupted && (idle.called() != 0 || idle.seated() != 0 || exiting_.load(memory_order_relaxed)))
    events->interrupt();  // E2, E4.
  submit_batch(self, batch);
}

// Called by a searcher that has sat down. As sleep.
inline scheduler::awake scheduler::sleep_in_driver(worker& self, event_driver& events) noexcept {
  self.in_driver.store(true, memory_order_seq_cst);  // E3, monitor E2: before the look at lent.
  look_before_sleep(self);
  ready_batch batch;
  bool claimed = work_visible_to(self) && idle.get_up_to_search();
  bool time_moved = false;
  while (!claimed) {
    if (exiting_.load(memory_order_relaxed)) break;  // E4
    auto const deadline = keep_time(self, time_moved);
    time_moved = false;
    if (deadline != clock::time_point::max() && deadline <= clock::now()) break;
    events.wait_until(batch, deadline);
    last_poll_.store(ticks(), memory_order_relaxed);
    claimed = take_seat_call(events);
    time_moved = time_moved_.load(memory_order_seq_cst) && time_moved_.exchange(false, memory_order_seq_cst);  // E3.
    if (!batch.empty()) break;
  }
  self.in_driver.store(false, memory_order_relaxed);  // E3
  idle_set::left_behind left{};
  if (!claimed && !idle.get_up(left)) claimed = true;
  if (exiting_.load(memory_order_relaxed)) events.interrupt();  // E4: the next in a seat
  ready_job* const first = batch.pop();
  self.from_driver = first != nullptr;
  while (ready_job* const j = batch.pop())
    if (!self.ring.push(j)) inject(j);
  if (!self.ring.empty()) notify_work();
  poll_timers(self);
  stop_keeping_time(self);
  if (time_moved) deadline_moved();
  if (claimed) {
    if (!first && !exiting_.load(memory_order_relaxed)) return awake::searching;
    leave_search();
  } else if (!left.searchers && !left.seated) {
    left.sleepers ? events_watched() : watch_left_alone();
  }
  if (first) run_job(self, first);
  return first || !exiting_.load(memory_order_relaxed) ? awake::idle : awake::ended;
}

}  // namespace weft::detail
