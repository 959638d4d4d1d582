// barrier: a number of tasks that wait for each other, phase after phase.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
struct nothing_to_complete {
  void operator()() const noexcept {}
};
}  // namespace detail

/// std::barrier for tasks: a phase ends when all that are expected have arrived. The last to arrive calls the completion, before any of
/// them goes on; it must not throw, and nobody arrives while it runs: more arrivals in a phase than are expected are misuse. No
/// allocation. Any thread; from a plain thread: `run(b.arrive_and_wait());`. Destroyed while waited for, it asserts; whoever has come
/// through the last phase may destroy it.
template <class Completion = detail::nothing_to_complete>
class barrier : detail::pinned {
  static_assert(std::is_nothrow_invocable_v<Completion&>,
                "a barrier's completion takes nothing and is noexcept: nobody could receive what it throws");

 public:
  explicit barrier(std::ptrdiff_t expected,
                   Completion completion = {}) noexcept(std::is_nothrow_move_constructible_v<Completion>)
      : completion_(std::move(completion)), expected_(expected), missing_(expected) {
    WEFT_ASSERT(expected >= 0, "a barrier expects a number of arrivals that is not negative");
  }
  ~barrier() { WEFT_ASSERT(queue_.empty(), "a barrier is destroyed while tasks wait for it"); }

  /// Which phase an arrival belongs to.
  class arrival {
    friend class barrier;
    explicit arrival(std::uint64_t phase) noexcept : phase_(phase) {}
    std::uint64_t phase_;
  };

  /// Counts n as arrived, and does not wait. The one that completes the phase calls the completion here.
  [[nodiscard]] arrival arrive(std::ptrdiff_t n = 1) noexcept { return arrive(n, 0); }

  /// Arrives, and is expected no more from the next phase on.
  void arrive_and_drop() noexcept { static_cast<void>(arrive(1, 1)); }

  /// co_await b.wait(b.arrive());
  ///   completes   when the phase of the arrival has ended; at once where it has
  ///   on error    never fails
  ///   on stop     leaves the queue, and completes as stopped; the arrival counts
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto wait(arrival a) noexcept { return wait_operation(*this, a.phase_, on_stop::still_counts); }

  /// co_await b.arrive_and_wait();   arrives when it is awaited
  ///   completes   when the phase has ended
  ///   on error    never fails
  ///   on stop     leaves the queue, takes its arrival back unless all the others have come by then, and completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto arrive_and_wait() noexcept { return arrive_operation(*this); }

  /// Whether the phase of the arrival has ended. Never waits.
  [[nodiscard]] bool try_wait(arrival a) const noexcept {
    detail::small_lock const locked(lock_);
    return phase_ != a.phase_;
  }

 private:
  enum class on_stop : bool { still_counts, takes_back };

  //   missing_ > 0      the phase goes on: arrivals count, stopped ones take theirs back
  //   missing_ = 0      the last one has claimed all who waited by then, and calls the completion, without the lock
  //   phase_ moves      those who came to wait meanwhile are claimed; all are fired when the lock has been let go
  //
  //   E1  lock_: an arrival → the last one → those who go on
  //
  arrival arrive(std::ptrdiff_t n, std::ptrdiff_t dropped) noexcept {
    detail::waiter_queue won;
    lock_.lock();
    arrival const mine(phase_);
    WEFT_ASSERT(n >= 0 && n <= missing_, "more arrive at a barrier than it expects");
    missing_ -= n;
    expected_ -= dropped;
    if (missing_ != 0 || n == 0) {
      lock_.unlock();
      return mine;
    }
    queue_.claim_all(won);
    lock_.unlock();
    completion_();
    lock_.lock();
    queue_.claim_all(won);
    missing_ = expected_;
    ++phase_;
    lock_.unlock();  // Past here *this may be gone.
    won.fire_all();
    return mine;
  }

  // True: the phase has ended. False: w stands in the queue.
  bool ended_or_enqueue(detail::waiter& w, std::uint64_t phase) noexcept {
    detail::small_lock const locked(lock_);
    if (phase_ != phase) return true;
    queue_.push_back(&w);
    return false;
  }

  void leave(detail::waiter& w, on_stop what) noexcept {
    detail::small_lock const locked(lock_);
    if (queue_.leave(w) && what == on_stop::takes_back && missing_ != 0) ++missing_;
  }

  class [[nodiscard]] wait_operation : public detail::waitable_operation<wait_operation> {
   public:
    using node = detail::waiter;

    wait_operation(barrier& b, std::uint64_t phase, on_stop what) noexcept : barrier_(&b), phase_(phase), what_(what) {}
    bool try_complete() const noexcept { return barrier_->try_wait(arrival(phase_)); }
    detail::enqueued enqueue(node& w) noexcept {
      if (!barrier_->ended_or_enqueue(w, phase_)) return detail::enqueued::waits;
      return w.claim() ? detail::enqueued::completed : detail::enqueued::lost;
    }
    detail::left withdraw(node& w) noexcept {
      barrier_->leave(w, what_);
      return detail::left::now;
    }
    void take() const noexcept {}

   private:
    barrier* barrier_;
    std::uint64_t phase_;
    on_stop what_;
  };

  class [[nodiscard]] arrive_operation {
   public:
    explicit arrive_operation(barrier& b) noexcept : barrier_(&b) {}
    auto operator co_await() noexcept {
      return wait_operation(*barrier_, barrier_->arrive().phase_, on_stop::takes_back).operator co_await();
    }

   private:
    barrier* barrier_;
  };

  [[no_unique_address]] Completion completion_;
  detail::small_mutex mutable lock_;
  std::ptrdiff_t expected_;     // guarded by lock_: arrivals of the next phase
  std::ptrdiff_t missing_;      // guarded by lock_: arrivals until this phase ends
  std::uint64_t phase_ = 0;     // guarded by lock_
  detail::waiter_queue queue_;  // guarded by lock_
};

}  // namespace weft
