// Plain joins: a job in the frame of whoever waits for it, and the wait, which helps the thief and nobody else.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/os/brief_wait.hpp>
#include <weft/os/clock.hpp>
#include <weft/sched/nested.hpp>
#include <weft/sched/scheduler.hpp>

#include <cstdint>
#include <new>
#include <utility>

namespace weft::detail {

//   state_     forked ── thief begins ──▶ held by (worker, number) ── thief ends ──▶ done
//              forked ── taker must not run it ──▶ returned: the owner runs it
//              any of the first two ── owner parks ──▶ the same with the waiting bit
//
//   E1  the thief's release of its holder → the owner's acquire   stop_ is there and may be asked
//   E2  the thief's release of done → the owner's acquire         the result, and null in the slot of the deque
//   E3  the owner's release of waiting → the thief's acquire      nothing but the bit: the thief then unparks the owner
//
// The thief's last touch is its exchange; it has copied the address of the owner's parker before. The owner destroys the job
// only after it has read done or returned.
// Why helping runs descendants alone: a thief begins a stolen job with nothing live in its deque, so while it runs the job every
// item there descends from it. Whoever took an item from a thief's deque has acquired all that the thief did before it published
// the item; if the thief still shows the number of the awaited job then, the item was published during that job. If not, it
// goes back to its owner. A thief that itself waits shows who has what it waits for, which descends from the job as well.
/// How long a waiter looks for something to help with before it blocks. Longer than the chunk of a loop, between two of which its thief
/// gives something away: a waiter that blocks gives its place to a spare, and once it is awake again there is a thread too many. Not that
/// long where ready jobs wait, which a waiter does not run.
class join_patience {
 public:
  explicit join_patience(scheduler const& home) noexcept : home_(home) {}

  void helped() noexcept {
    looks_ = 0;
    since_ = ticks();
  }

  /// After each vain look.
  [[nodiscard]] bool over() noexcept {
    relax();
    constexpr unsigned step = modelled ? 2 : small_capacities ? 50 : 64;
    constexpr std::uint64_t most = 150 * ticks_per_microsecond, with_ready_jobs = 30 * ticks_per_microsecond;
    if (++looks_ % step != 0) return false;
    if constexpr (small_capacities) return true;
    auto const waited = ticks() - since_;
    return waited > most || (waited > with_ready_jobs && home_.ready_jobs_wait());
  }

 private:
  scheduler const& home_;
  unsigned looks_ = 0;
  std::uint64_t since_ = ticks();
};

/// As long as this lives, the worker counts as one that waits in a join.
class joining : pinned {
 public:
  explicit joining(worker& self) noexcept : self_(self) {
    if (self_.joins++ == 0) self_.home.idle.begin_join();
  }
  ~joining() {
    if (--self_.joins == 0) self_.home.idle.end_join();
  }

 private:
  worker& self_;
};

/// A job that a plain frame forks and joins. Derived classes provide the body.
class forked : public job, pinned {
 public:
  forked(function f, context* c) noexcept : job(f), ambient_(c) {}
  ~forked() {}

  [[nodiscard]] context* ambient() const noexcept { return ambient_; }

  // ── the thief, in act ──

  /// Runs body() as the thief: with a stop state of its own, which the owner may ask.
  template <class Body>
  void run_as_thief(worker& self, Body&& body) noexcept {
    parker& owner = self.victim->sleep;
    ::new (static_cast<void*>(&stop_)) stop_state(ambient_ ? ambient_->stop : nullptr);
    context here{.stop = &stop_, .home = &self.home, .locals = ambient_ ? ambient_->locals : nullptr};
    // release: E1. acquire is not needed: the owner says nothing to the thief but that it waits.
    state_.fetch_or(self.running.load(memory_order_relaxed) << holder_shift, memory_order_release);
    auto* const outer = std::exchange(self.current, &here);
    static_cast<Body&&>(body)();
    self.current = outer;
    end(owner, done);
  }

  void give_back(worker& self) noexcept { end(self.victim->sleep, returned); }

  // ── the owner ──

  /// Returns when the job is done (true) or has been returned (false). The job's slot is on top of the deque, taken; it is gone after.
  [[nodiscard]] bool wait(worker& self) noexcept;

  /// After wait has said true.
  void end_stop_state() noexcept { stop_.~stop_state(); }

  /// Asks the thief to stop, once it has begun.
  void ask_to_stop() noexcept {
    for (brief_wait its_begin;; its_begin.pause()) {
      auto const s = state_.load(memory_order_acquire);  // acquire: E1.
      if (s & (done | returned)) return;
      if (s >> holder_shift) break;
    }
    // stop_ lives until the owner ends it, so a thief that ends meanwhile does no harm.
    stop_.request_stop();
  }

  // ── anybody who waits for what `who` runs ──

  /// One step of help: runs an item from the deque of `who`, or of whom it waits for in turn. False: there is nothing to help with
  /// right now. Nothing of the caller's own is live in its deque.
  static bool help(worker& self, holder who) noexcept;

 private:
  static constexpr std::uint64_t done = 1, returned = 2, waiting_bit = 4;
  static constexpr int holder_shift = 3;

  void end(parker& owner, std::uint64_t how) noexcept {
    // release: E2. acquire: E3.
    if (state_.exchange(how, memory_order_acq_rel) & waiting_bit) owner.unpark();
  }

  context* ambient_;
  atomic<std::uint64_t> state_{0};
  union {
    stop_state stop_;  // raw until a thief begins
  };
};

inline bool forked::help(worker& self, holder who) noexcept {
  constexpr int most_followed = 8;
  for (int followed = 0; followed < most_followed; ++followed) {
    worker& thief = self.home.worker_at(who.index());
    if (thief.running.load(memory_order_relaxed) != who.word) return false;
    job* taken = nullptr;
    switch (thief.deque.steal(taken)) {
      case stolen::lost_race: return true;
      case stolen::item: {
        auto* const outer_victim = std::exchange(self.victim, &thief);
        // Relaxed: the exchange in steal has acquired what the thief did before it published the item.
        if (thief.running.load(memory_order_relaxed) == who.word) {
          self.steals.add();
          run_nested(self, [&] {
            self.victim = &thief;
            auto const outer = self.running.load(memory_order_relaxed);
            self.running.store(holder::of(self.index, ++self.last_number).word, memory_order_relaxed);
            taken->act(taken, self, job_order::run);
            self.running.store(outer, memory_order_relaxed);
          });
        } else {
          taken->act(taken, self, job_order::give_back);
        }
        self.victim = outer_victim;
        return true;
      }
      case stolen::empty: break;
    }
    // acquire: with what it waits for, that it was still running `who`.
    holder const next{thief.waiting_for.load(memory_order_acquire)};
    if (!next || next.index() == self.index || thief.running.load(memory_order_relaxed) != who.word) return false;
    who = next;
  }
  return false;
}

[[gnu::noinline]] inline bool forked::wait(worker& self) noexcept {
  auto const slot = self.deque.mark() - 1;
  std::uint64_t s = 0;
  {
    joining const counted(self);
    join_patience patience(self.home);
    do {
      s = state_.load(memory_order_acquire);  // acquire: E1, E2.
      if (s & (done | returned)) break;
      holder const who{s >> holder_shift};
      // release: whoever reads it and then our `running` sees which job this wait belongs to.
      if (who && self.waiting_for.load(memory_order_relaxed) != who.word)
        self.waiting_for.store(who.word, memory_order_release);
      if (who && help(self, who)) patience.helped();
    } while (!patience.over());
  }
  if (!(s & (done | returned))) {
    s = state_.fetch_or(waiting_bit, memory_order_acq_rel);  // release: E3. acquire: E2.
    self.joins_parked.add();
    if (!(s & (done | returned))) {
      block_in_join(self, [&](clock::time_point deadline) {
        self.sleep.park(deadline);
        s = state_.load(memory_order_acquire);  // acquire: E2.
        return (s & (done | returned)) != 0;
      });
    }
  }
  self.waiting_for.store(0, memory_order_relaxed);
  self.deque.drop_taken(slot);
  return (s & done) != 0;
}

}  // namespace weft::detail
