// latch: tasks wait until a number has been counted down to nothing, once.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/waiter.hpp>

#include <cstddef>

namespace weft {

//   E1  a count's release → the last count's acquire    what was done before; from there to those who wait through the event
//
/// A number that goes down to zero, and whoever waits for that: std::latch for tasks. 32 bytes, no allocation. Any thread; from a plain
/// thread: `run(l.wait());`. Destroyed while waited for, it asserts; whoever has waited may destroy it.
class latch {
 public:
  explicit latch(std::ptrdiff_t expected) noexcept
      : left_(expected), zero_(expected == 0 ? event_state::set : event_state::unset) {
    WEFT_ASSERT(expected >= 0, "a latch counts down from a number that is not negative");
  }

  /// Counts n down; the last one lets all who wait go on. Never waits.
  void count_down(std::ptrdiff_t n = 1) noexcept {
    auto const before = left_.fetch_sub(n, detail::memory_order_acq_rel);  // E1.
    WEFT_ASSERT(n >= 0 && before >= n, "a latch is counted down below zero");
    if (before == n && n != 0) zero_.set();  // Past here *this may be gone.
  }

  /// co_await l.wait();
  ///   completes   when the latch is at zero
  ///   on error    never fails
  ///   on stop     leaves the queue, and completes as stopped
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto wait() noexcept { return zero_.wait(); }

  /// co_await l.arrive_and_wait();   counts n down when it is awaited, then waits; a stop does not take the count back
  [[nodiscard]] auto arrive_and_wait(std::ptrdiff_t n = 1) noexcept { return arrive_operation(*this, n); }

  /// Whether it is at zero. Never waits.
  [[nodiscard]] bool try_wait() const noexcept { return zero_.is_set(); }

 private:
  class [[nodiscard]] arrive_operation {
   public:
    arrive_operation(latch& l, std::ptrdiff_t n) noexcept : latch_(&l), count_(n) {}
    auto operator co_await() noexcept {
      auto wait = latch_->wait();
      latch_->count_down(count_);
      return wait.operator co_await();
    }

   private:
    latch* latch_;
    std::ptrdiff_t count_;
  };

  detail::atomic<std::ptrdiff_t> left_;
  event zero_;
};

}  // namespace weft
