// Threads that come and go: the workers' start, plain threads that join in, spares for those who block, and the end.
#pragma once

#include <weft/os/affinity.hpp>
#include <weft/os/brief_wait.hpp>
#include <weft/os/fork.hpp>
#include <weft/sched/blocking_threads.hpp>
#include <weft/sched/driver_seats.hpp>
#include <weft/sched/monitor.hpp>
#include <weft/sched/run_loop.hpp>

#include <chrono>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace weft::detail {

// ── the start ──

inline scheduler::scheduler(options const& o, pool& face)
    : options_(o), name_(o.name), face_(face), generation_(fork_generation.load(std::memory_order_relaxed)) {
  reserve_.reserve(idle_set::capacity);
  threadless_.reserve(idle_set::capacity);
  threads_.reserve(idle_set::capacity);
  auto error = std::make_error_code(std::errc::not_enough_memory);
  while (size_ < o.workers) {
    worker* const w = add_worker(worker_kind::regular);
    if (!w) break;
    error = start_thread(*w);
    if (error) break;
    ++size_;
  }
  if (size_ == 0) {
    for (auto& w : workers_) delete w.load(memory_order_relaxed);
    throw std::system_error(error, "weft::pool: not one worker thread could be created");
  }
  running_ = size_;
  open_.store(1, memory_order_release);  // release → run's acquire: what stands above.
  futex_wake_all(open_);
}

inline scheduler::~scheduler() {
  if (generation_ != fork_generation.load(std::memory_order_relaxed)) {
    // In a child made by fork() the threads do not exist, and may have held any lock when they ceased to: nothing is touched.
    for (auto& t : threads_) static_cast<void>(t.release());
    static_cast<void>(monitor_thread_.release());
    return;
  }
  // Relaxed: who made them has been joined, or was inside a call on the pool, which has ended.
  delete driver_.load(memory_order_relaxed);
  delete events_.load(memory_order_relaxed);
  delete blocking_.load(memory_order_relaxed);
  for (auto& w : workers_) delete w.load(memory_order_relaxed);
}

inline worker* scheduler::add_worker(worker_kind kind) noexcept {
  small_lock const guard(threads_lock_);
  auto const index = worker_count_.load(memory_order_relaxed);
  if (index == idle_set::capacity) return nullptr;
  worker* w = nullptr;
  try {
    w = new worker(*this, index, depot_);
  } catch (std::bad_alloc const&) {
    return nullptr;
  }
  w->kind = kind;
  workers_[index].store(w, memory_order_release);        // release → worker_at's acquire: *w.
  worker_count_.store(index + 1, memory_order_seq_cst);  // release → worker_count's acquire: the slot.
  return w;
}

inline std::error_code scheduler::start_thread(worker& w) noexcept {
  std::unique_ptr<worker_thread> t(new (std::nothrow) worker_thread{this, &w, {}});
  if (!t) return std::make_error_code(std::errc::not_enough_memory);
  thread_options o{.name = name_};
  if (options_.pin == pinning::on && w.kind == worker_kind::regular) {
    try {
      auto const cpus = allowed_cpus();
      o.cpu = cpus[w.index % cpus.size()];
    } catch (std::bad_alloc const&) {
      return std::make_error_code(std::errc::not_enough_memory);
    }
  }
  small_lock const guard(threads_lock_);
  if (exiting_.load(memory_order_relaxed)) return std::make_error_code(std::errc::operation_canceled);
  auto const error = t->handle.try_start(o, *t);
  if (!error) threads_.push_back(std::move(t));  // reserved: cannot fail
  return error;
}

inline void scheduler::require_this_process() const {
  if (generation_ != fork_generation.load(std::memory_order_relaxed))
    throw std::logic_error(
        "weft::pool: inherited through fork(): its threads are the parent's; make a pool of your own");
}

// ── plain threads that join in ──

inline worker* scheduler::enter_external() {
  require_this_process();
  worker* mine = nullptr;
  auto const count = worker_count();
  for (unsigned i = size_; i < count && !mine; ++i) {
    bool free = true;
    // acquire: leave_external's release, the slot as its last user left it.
    if (external_free_[i].load(memory_order_relaxed) &&
        external_free_[i].compare_exchange_strong(free, false, memory_order_acquire, memory_order_relaxed))
      mine = &worker_at(i);
  }
  if (!mine) {
    if (externals_.fetch_add(1, memory_order_relaxed) >= most_external || !(mine = add_worker(worker_kind::external))) {
      externals_.fetch_sub(1, memory_order_relaxed);
      return nullptr;
    }
  }
  // No core has two: a sleeper is kept asleep meanwhile. Never the last one, nor the one that watches the clock.
  auto held = held_.load(memory_order_relaxed);
  if (held + 1 < size_ && held_.compare_exchange_strong(held, held + 1, memory_order_relaxed)) {
    // seq_cst: keep_time.
    auto const watcher = timekeeper_.load(memory_order_seq_cst);
    auto const sleeper = idle.hold_sleeper(watcher == idle_set::nobody ? 0 : 1, watcher);
    if (sleeper == idle_set::nobody) {
      held_.fetch_sub(1, memory_order_relaxed);
    } else {
      // seq_cst, all: we write who is held, then look at the work; a producer makes work visible, then looks for somebody held. One of the
      // two sees the other, and puts it back.
      mine->held.store(sleeper, memory_order_seq_cst);
      if (sleeper == watcher) release_held(*mine);
      if (work_visible()) notify_work();
    }
  }
  set_current_worker(mine);
  return mine;
}

// False: somebody else has put it back, or there was none.
inline bool scheduler::release_held(worker& self) noexcept {
  // One of those who want it gets it. seq_cst: enter_external.
  auto const sleeper = self.held.exchange(idle_set::nobody, memory_order_seq_cst);
  if (sleeper == idle_set::nobody) return false;
  idle.put_back(static_cast<unsigned>(sleeper));
  held_.fetch_sub(1, memory_order_relaxed);
  // It has slept through what became of the clock, and may sleep on: somebody who searches may take what it was put back for.
  if (timekeeper_.load(memory_order_seq_cst) == idle_set::nobody) deadline_moved();  // seq_cst: deadline_moved.
  return true;
}

// There is work and nobody to do it: a plain thread's share of the cores has to wait.
inline bool scheduler::reclaim_held() noexcept {
  auto const count = worker_count();
  for (unsigned i = size_; i < count; ++i)
    if (release_held(worker_at(i))) return true;
  return false;
}

inline void scheduler::leave_external(worker& self) noexcept {
  set_current_worker(nullptr);
  self.current = nullptr;
  if (release_held(self)) {
    if (work_visible()) notify_work();
    events_watched();
  }
  external_free_[self.index].store(true, memory_order_release);  // release: enter_external's acquire.
}

// ── spares ──

// With threads_lock_ held.
inline void scheduler::count_threads() noexcept {
  auto const surplus = static_cast<int>(running_) - static_cast<int>(blocked_) - static_cast<int>(size_);
  // seq_cst: E of begin_blocking; read by notify_work, share and leave_search after they have made work visible.
  surplus_.store(surplus, memory_order_seq_cst);
}

//   E  seq_cst, both: a producer makes work visible, then looks at surplus_; who blocks lowers surplus_, then looks at all work.
//      One of the two sees the other, and starts the spare.
inline void scheduler::give_place(worker& self) noexcept {
  bool was_last = false;
  // The one just woken is not left to those who find nothing else.
  if (ready_job* const next = self.lifo.exchange(nullptr, memory_order_relaxed))
    inject(next);  // relaxed: put there by this thread
  self.deque.publish();
  if (self.kind == worker_kind::external) {
    release_held(self);
  } else {
    small_lock const guard(threads_lock_);
    auto const outer = self.waits.load(memory_order_relaxed);
    self.waits.store(outer + 1, memory_order_relaxed);
    // A thread counts once, however many of its frames wait, and whoever else has lent its place.
    if (outer == 0 && !self.lent.load(memory_order_relaxed)) {
      ++blocked_;
      count_threads();
      was_last = blocked_ == running_;
    }
  }
  // What others keep private is asked for, as by one who goes to sleep (deque E4): a spare would take it.
  auto const count = worker_count();
  for (unsigned i = 0; i < count; ++i) worker_at(i).deque.raise_want();
  // The last one running gives its place away before it needs to: from here on somebody runs, or this worker knows that nobody
  // can, and looks after the pool itself from time to time.
  if (was_last) return start_spare_if_short();
  if (work_visible()) notify_work();
  else if (something_to_watch()) {
    if (idle.sleeping() == 0) return start_spare_if_short();
    deadline_moved();
    events_watched();
  }
}

inline void scheduler::get_place_back(worker& self) noexcept {
  if (self.kind == worker_kind::external) return;
  small_lock const guard(threads_lock_);
  auto const left = self.waits.load(memory_order_relaxed) - 1;
  self.waits.store(left, memory_order_relaxed);
  if (left != 0 || self.lent.load(memory_order_relaxed)) return;
  --blocked_;
  count_threads();
}

inline void scheduler::begin_blocking(worker& self) noexcept {
  loop_waits(self);  // give_place looks for sleepers after it
  give_place(self);
}

inline void scheduler::end_blocking(worker& self) noexcept {
  get_place_back(self);
  static_cast<void>(lends_and_computes(self));
}

// ── places that loops lend ──

//   loop_lends   none ── begin_lending ──▶ computing ── it blocks, or the monitor finds it asleep ──▶ waiting
//                waiting ── it goes on ──▶ computing          any ── end_lending ──▶ none
//
// One that computes is counted in loops_lent_, one that waits, perhaps for what lies in its own deque, in in_need_ (E of stands_by): a spare
// may stand by while a loop has the core, but not while one waits. The monitor and the worker may each be about to count the other's step: a
// counter that is off by one meanwhile is put right by who looks for sleepers after that.

inline bool scheduler::begin_lending(worker& self) noexcept {
  // A plain thread has no place: what it keeps asleep is released, and no spare stands for it.
  if (self.kind == worker_kind::external) {
    give_place(self);
    return false;
  }
  if (self.loop_lends.load(memory_order_relaxed) != lending::none) return false;
  auto const most = self.kind == worker_kind::spare ? 2 * size_ : size_;
  auto lent = loops_lent_.load(memory_order_relaxed);
  do {
    if (lent >= most) return false;
  } while (!loops_lent_.compare_exchange_weak(lent, lent + 1, memory_order_seq_cst));  // E of stands_by.
  self.loop_lends.store(lending::computing, memory_order_relaxed);
  give_place(self);
  return true;
}

inline void scheduler::end_lending(worker& self) noexcept {
  get_place_back(self);
  switch (self.loop_lends.exchange(lending::none, memory_order_relaxed)) {
    case lending::computing: one_loop_less(); break;
    case lending::waiting: end_need(); break;
    case lending::none: break;
  }
}

// It, or the monitor. False: it has lent nothing, or is known to wait.
inline bool scheduler::loop_waits(worker& self) noexcept {
  auto computing = lending::computing;
  if (self.loop_lends.load(memory_order_relaxed) != computing ||
      !self.loop_lends.compare_exchange_strong(computing, lending::waiting, memory_order_relaxed))
    return false;
  begin_need();
  one_loop_less();
  return true;
}

inline bool scheduler::lends_and_computes(worker& self) noexcept {
  auto const now = self.loop_lends.load(memory_order_relaxed);
  if (now == lending::waiting) {
    // Counted before it can be taken out again.
    loops_lent_.fetch_add(1, memory_order_seq_cst);  // E of stands_by.
    self.loop_lends.store(lending::computing, memory_order_relaxed);
    end_need();
  }
  return now != lending::none;
}

// Or one more that waits: who stood by looks again.
inline void scheduler::one_loop_less() noexcept {
  loops_lent_.fetch_sub(1, memory_order_seq_cst);  // E of stands_by.
  if (spares_stand_by()) return;
  auto const count = worker_count();
  for (unsigned i = 0; i < count; ++i) worker_at(i).deque.raise_want();  // see share
  if (work_visible()) notify_work();
}

inline clock::time_point scheduler::blocked_until() const noexcept {
  constexpr auto patience = std::chrono::milliseconds(10);
  return spare_failed_.load(memory_order_relaxed) ? clock::now() + patience : clock::time_point::max();
}

// The pool owes a spare that it could not have. The blocked worker watches the clock in its place, and asks again.
inline void scheduler::try_again_for_spare(worker& self) noexcept {
  if (self.kind == worker_kind::external) return;
  poll_driver(self);
  if (work_visible()) notify_work();
}

inline void scheduler::start_spare_if_short() noexcept {
  constexpr auto patience = std::chrono::milliseconds(5);
  if (spare_failed_.load(memory_order_relaxed) &&
      clock::now().time_since_epoch().count() < spare_retry_.load(memory_order_relaxed))
    return;
  worker* spare = nullptr;
  bool has_thread = false;
  {
    small_lock const guard(threads_lock_);
    if (running_ >= size_ + blocked_ || exiting_.load(memory_order_relaxed)) return;
    ++running_;
    count_threads();
    if (!reserve_.empty()) {
      spare = reserve_.back();
      reserve_.pop_back();
      has_thread = true;
    } else if (!threadless_.empty()) {
      spare = threadless_.back();
      threadless_.pop_back();
    }
  }
  if (has_thread) {
    spare->in_reserve.store(false, memory_order_release);  // release → retire's acquire
    spare->sleep.unpark();
    return;
  }
  if (!spare) spare = add_worker(worker_kind::spare);
  auto const error = spare ? start_thread(*spare) : std::make_error_code(std::errc::resource_unavailable_try_again);
  spare_failed_.store(static_cast<bool>(error), memory_order_relaxed);
  if (!error) return;
  spare_retry_.store((clock::now() + patience).time_since_epoch().count(), memory_order_relaxed);
  // No thread to be had: the pool is one short until a blocked one returns.
  small_lock const guard(threads_lock_);
  if (spare) threadless_.push_back(spare);  // reserved: cannot fail
  --running_;
  count_threads();
}

// One spare too many: waits in the reserve until somebody blocks again. False: it was not one too many after all.
[[gnu::noinline, gnu::cold]] inline bool scheduler::retire(worker& self) noexcept {
  if (!self.deque.idle()) return false;
  {
    small_lock const guard(threads_lock_);
    if (running_ <= size_ + blocked_ || exiting_.load(memory_order_relaxed) || self.lent.load(memory_order_relaxed))
      return false;
    --running_;
    self.in_reserve.store(true, memory_order_relaxed);
    reserve_.push_back(&self);  // reserved: cannot fail
    count_threads();
  }
  // What is left here is for those who stay.
  while (ready_job* const j = self.ring.pop()) inject(j);
  if (ready_job* const j = self.lifo.exchange(nullptr, memory_order_relaxed)) inject(j);  // relaxed: as in give_place
  // Others may have counted on us: a producer, a closer.
  idle.synchronise();
  if (work_visible()) notify_work();
  if (closing_.load(memory_order_seq_cst)) closed_.notify_all();
  // acquire: start_spare_if_short, whose job this one then finds, though an older token may have woken it. Relaxed: shut_down unparks this
  // thread after it has written that, and hands over nothing else.
  while (self.in_reserve.load(memory_order_acquire) && !exiting_.load(memory_order_relaxed)) self.sleep.park();
  return true;
}

// ── the end ──

inline void scheduler::root_started(worker* self) {
  if (self && &self->home == this && self->kind != worker_kind::external) {
    // Part of a root that has not ended: the pool is open, or waits for that one.
    self->roots_started.store(self->roots_started.load(memory_order_relaxed) + 1, memory_order_relaxed);
    return;
  }
  require_this_process();
  // seq_cst, both: the closer sees the count, or we see the closer.
  plain_roots_started_.fetch_add(1, memory_order_seq_cst);
  // seq_cst: with the count above, and shut_down.
  if (closing_.load(memory_order_seq_cst)) {
    root_ended(nullptr);
    throw std::logic_error("weft::pool: nothing can be started on a pool that has been shut down");
  }
}

// release → all_roots_ended's acquire: what a root started before it ended is counted as started there. A worker tells the
// closer when it goes to sleep; a plain thread tells it here.
inline void scheduler::root_ended(worker* self) noexcept {
  if (self && &self->home == this && self->kind != worker_kind::external) {
    // release: all_roots_ended.
    self->roots_ended.store(self->roots_ended.load(memory_order_relaxed) + 1, memory_order_release);
  } else {
    // seq_cst: with closing_, see below.
    plain_roots_ended_.fetch_add(1, memory_order_seq_cst);
    if (closing_.load(memory_order_seq_cst))
      closed_.notify_all();  // seq_cst, both: the closer sees the count or we see the closer
  }
}

// Ends are read first: both sums only grow and no end is counted before its start, so equal sums mean that between the two
// readings there was a moment without a root.
inline bool scheduler::all_roots_ended() const noexcept {
  // seq_cst, after closing_ was set: a worker that announced its sleep without seeing closing_ did so before this look, which
  // therefore sees what it counted; one that announces later sees closing_ and notifies.
  static_cast<void>(idle.hungry());
  // seq_cst: root_ended, after closing_ was set.
  std::uint64_t started = 0, ended = plain_roots_ended_.load(memory_order_seq_cst);
  auto const count = worker_count();
  for (unsigned i = 0; i < count; ++i)
    ended += worker_at(i).roots_ended.load(memory_order_acquire);  // acquire: root_ended.
  started = plain_roots_started_.load(memory_order_seq_cst);
  auto const later_count = worker_count();
  // Relaxed: whoever ends a root has counted before what that root has started, so each end that has been read brings those starts. Other
  // starts may be missed only with their ends.
  for (unsigned i = 0; i < later_count; ++i) started += worker_at(i).roots_started.load(memory_order_relaxed);
  return started == ended;
}

inline void scheduler::shut_down(bool ask_to_stop) noexcept {
  if (generation_ != fork_generation.load(std::memory_order_relaxed)) return;
  if (ask_to_stop) stop_.request_stop();
  small_lock const guard(shutdown_lock_);
  if (shut_down_) return;
  shut_down_ = true;
  // seq_cst: before the counts are read.
  closing_.store(true, memory_order_seq_cst);
  for (;;) {
    auto const key = closed_.prepare_wait();
    if (all_roots_ended()) {
      closed_.cancel_wait();
      break;
    }
    closed_.wait(key);
  }
  // Relaxed: everybody is joined, unparked or interrupted after it, and the token, or the interrupt, carries it.
  exiting_.store(true, memory_order_relaxed);
  {
    small_lock const started(threads_lock_);  // from here on no thread is started
  }
  if (monitor_thread_ && monitor_thread_->handle.joinable()) {
    monitor_sleep_.unpark();
    monitor_thread_->handle.join();
  }
  for (unsigned i = 0; i < worker_count(); ++i) worker_at(i).sleep.unpark();
  if (event_driver* const events = installed_events()) events->interrupt();  // who leaves a seat passes it on
  for (auto& t : threads_) t->handle.join();
  // A thread of somebody else's may have brought the last job, and be on its way out of submit.
  for (brief_wait others; entering_.load(memory_order_acquire) != 0;) others.pause();  // acquire: submit.
  // What other pools wait for through this one goes back to them.
  delete events_.exchange(nullptr, memory_order_acquire);  // acquire: install_events by a plain thread
}

inline void scheduler::stay_for_good() noexcept { lifetime_ = lifetime::process; }

inline blocking_threads& scheduler::blocking() {
  auto* b = blocking_.load(memory_order_acquire);  // acquire: the exchange below.
  if (!b) {
    auto fresh = std::make_unique<blocking_threads>(options_.max_blocking, name_.c_str(), lifetime_);
    // release: publishes *fresh. acquire: the other's.
    if (blocking_.compare_exchange_strong(b, fresh.get(), memory_order_release, memory_order_acquire))
      b = fresh.release();
  }
  return *b;
}

}  // namespace weft::detail
