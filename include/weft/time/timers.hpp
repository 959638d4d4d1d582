// The timers of a pool: a wheel for each worker, so that setting and removing one takes no shared lock, and one word that says
// when the earliest of them all is due. Any worker expires the timers of all.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/driver.hpp>
#include <weft/sched/driver_seats.hpp>
#include <weft/sched/idle.hpp>
#include <weft/sched/run_loop.hpp>
#include <weft/sched/worker.hpp>
#include <weft/time/sleeper.hpp>
#include <weft/time/timer.hpp>
#include <weft/time/timer_wheel.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace weft::detail {

//              add                poll, with the lock           poll, without
//     idle ───────────▶ in a wheel ───────────▶ taken ───────────▶ idle: fire is called
//       ▲                   │
//       └── remove: true ───┘
//
//   state        place     who may touch the timer                          remove
//   idle         nowhere   its maker                                        false
//   in a wheel   a slot    who holds the lock of its keeper                 true: fire will not be called
//   taken        nowhere   the poller that took it                          false: fire is about to be called, or has been
//
// Both ways out of a wheel are under its lock, so one of them alone finds the timer there: either one remove returns true, or
// fire is called once.
//
// Each wheel publishes a time not later than its next deadline; earliest_ is a time not later than any published. Both are
// lowered by add and raised by poll alone: after a remove they may be too early, which costs one poll that finds nothing.
//
//   add     a1  published = d, if that is earlier
//           a2  earliest_ = d, if that is earlier; then the caller's deadline_moved
//           a3     looks for a sleeper
//   poll    p1  each wheel that is due: expires, published = its next deadline, which is no earlier
//           p2  m = the earliest published
//           p3  earliest_ = m, if that is later
//           p4     and looks again: an earlier one published meanwhile goes the way of a2 and a3
//   sleeper s1  announces itself (scheduler::sleep)
//           s2  reads earliest_
//
// These are seq_cst, so they happen in one order, but for p1: who reads an older value than that one's reads an earlier time. No deadline
// is lost:
//   E1  a2 before s2: the sleeper sees d.  s2 before a2: s1 is before a3, which finds the sleeper and wakes it.
//   E2  a2 leaves earliest_ at d or less, and a p3 after it makes that too late: a1 is before that p3, so its p4 sees d, lowers
//       earliest_ again, and wakes who slept by the value between (E1, with p4 for a2).
//       An add that finds an earlier deadline published by its own wheel leaves a2 to the add of that one.
//   E3  keeper_of's store → a scan's load of p2 and p4: who sees the deadline that an add published sees the wheel it is in. poll needs no
//       more than the wheel itself, by an acquire: one that it has not seen yet is still due by p2, and has its turn at the next poll.
/// The driver of a pool that has timers. Any thread, unless a member says otherwise.
class timer_service final : public driver {
 public:
  /// Timers taken at once from one wheel. More than the 61 turns between two polls, or jobs would end faster than timers are
  /// handed out; not more than fit a worker's ring beside other work, since what is left over is everybody's.
  static constexpr std::size_t batch = 128;

  timer_service() = default;

  /// Every timer has fired or was removed.
  ~timer_service() override {
    for (auto& k : keepers_) {
      keeper* const old = k.load(memory_order_relaxed);  // its maker has been joined, or was inside a call on the pool
      WEFT_ASSERT(!old || old->wheel.empty(), "a pool's timers outlive it");
      delete old;
    }
  }

  /// Sets a timer that is idle; `self` is the calling worker, `now` a reading of the clock, so no later than the present. True: the
  /// pool's earliest deadline is earlier than before, and the caller calls scheduler::deadline_moved(). The timer may have fired
  /// before this returns. Constant time; throws std::bad_alloc, the timer untouched, where the worker's first timer finds no
  /// memory for its wheel (34 KiB).
  [[nodiscard]] bool add(worker& self, timer_node& t, clock::time_point now = clock::now()) {
    keeper& k = keeper_of(self);
    std::int64_t next;
    {
      small_lock const guard(k.lock);
      t.keeper = static_cast<std::uint16_t>(self.index);
      k.wheel.advance(now);
      k.wheel.insert(t);
      next = count(k.wheel.next_deadline());
      if (next >= k.published.load(memory_order_relaxed)) return false;
      k.published.store(next, memory_order_seq_cst);  // E2: a1.
    }  // Past here *t may be gone: another worker may have fired it.
    return lower(next);
  }

  /// True: the timer will not fire. False: it has fired, is being fired or is about to be, or was never added. Any thread, but not
  /// while another adds the same timer; the caller keeps it alive meanwhile, also where it fires. Constant time.
  [[nodiscard]] bool remove(timer_node& t) noexcept {
    if (t.keeper == timer_node::nowhere) return false;
    // Relaxed: who knows the timer's keeper has that from its add, which came after the keeper was made.
    keeper& k = *keepers_[t.keeper].load(memory_order_relaxed);
    small_lock const guard(k.lock);
    return k.wheel.remove(t);
  }

  /// Fires what is due, a batch from each wheel, with no lock held. A wheel that another thread is at is left to it, and to the next poll,
  /// as what it published stays due; or waited for, on a futex: asking again and again would keep that thread from its processor.
  void poll(worker& self, clock::time_point now, in_use what = in_use::left) noexcept override {
    timer_list due;
    auto const end = keepers_end_.load(memory_order_relaxed);
    for (unsigned i = 0; i < end; ++i) {
      keeper* const k = keepers_[i].load(memory_order_acquire);  // acquire: E3.
      if (!k || k->published.load(memory_order_relaxed) > count(now)) continue;
      if (!k->lock.try_lock()) {
        if (what == in_use::left) continue;
        k->lock.lock();
      }
      k->wheel.expire(now, due, batch);
      // p1. Relaxed: the lock orders it with those of the same wheel, and an older value is an earlier time.
      k->published.store(count(k->wheel.next_deadline()), memory_order_relaxed);
      k->lock.unlock();
    }
    raise(self);
    ready_batch woken;
    while (timer_node* const t = due.pop_front()) {
      if (t->then == when_due::wakes) static_cast<sleeper*>(t)->wake_into(woken);
      else static_cast<timer*>(t)->fire(static_cast<timer&>(*t), self);
    }
    if (woken.empty()) return;
    self.from_driver = true;
    self.home.submit_woken(self, woken);
  }

  /// A single load.
  [[nodiscard]] clock::time_point next_deadline() const noexcept override {
    return clock::time_point(clock::duration(earliest_.load(memory_order_seq_cst)));  // E1: s2.
  }

 private:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  struct alignas(cache_line) keeper {
    small_mutex lock;
    timer_wheel wheel;  // guarded by lock
    // Not later than wheel.next_deadline(). Written under lock.
    alignas(cache_line) atomic<std::int64_t> published{never};
  };

  static std::int64_t count(clock::time_point t) noexcept { return t.time_since_epoch().count(); }

  // Threads that are the worker of this index one after the other hand it over through the scheduler.
  keeper& keeper_of(worker& self) {
    auto& place = keepers_[self.index];
    if (keeper* const k = place.load(memory_order_relaxed)) return *k;
    auto* const k = new keeper;
    place.store(k, memory_order_seq_cst);  // E3.
    // seq_cst, the look too: where a higher index has moved it, a poller that does not see that comes before this wheel's first deadline.
    auto end = keepers_end_.load(memory_order_seq_cst);
    while (end <= self.index) keepers_end_.compare_exchange_weak(end, self.index + 1, memory_order_seq_cst);  // E3.
    return *k;
  }

  // True: earliest_ was later than that.
  bool lower(std::int64_t deadline) noexcept {
    auto seen = earliest_.load(memory_order_seq_cst);  // E1, E2: a2.
    while (deadline < seen)
      if (earliest_.compare_exchange_weak(seen, deadline, memory_order_seq_cst)) return true;  // E1, E2: a2.
    return false;
  }

  // Makes earliest_ as late as the wheels allow.
  void raise(worker& self) noexcept {
    auto seen = earliest_.load(memory_order_relaxed);
    for (;;) {
      auto const next = earliest_published();  // p2
      if (next <= seen) return;
      // seq_cst: E2, p3. Failed: as the first look, which decides nothing that the exchange does not.
      if (earliest_.compare_exchange_weak(seen, next, memory_order_seq_cst, memory_order_relaxed)) {
        // E2: p4.
        auto const again = earliest_published();
        if (again < next && lower(again)) self.home.deadline_moved();
        return;
      }
    }
  }

  [[nodiscard]] std::int64_t earliest_published() const noexcept {
    auto earliest = never;
    auto const end = keepers_end_.load(memory_order_seq_cst);  // E3.
    for (unsigned i = 0; i < end; ++i)
      if (keeper* const k = keepers_[i].load(memory_order_seq_cst))              // E3.
        earliest = std::min(earliest, k->published.load(memory_order_seq_cst));  // E2: p2, p4.
    return earliest;
  }

  alignas(cache_line) atomic<std::int64_t> earliest_{never};
  alignas(cache_line) atomic<unsigned> keepers_end_{0};  // no worker of this index or a higher one has a wheel
  std::array<atomic<keeper*>, idle_set::capacity> keepers_{};
};

}  // namespace weft::detail
