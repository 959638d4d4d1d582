// wait_group: tasks wait until everything that was counted in has been counted out; it may then begin again.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <cstddef>

namespace weft {

/// A number of things under way: Go's sync.WaitGroup. add before the thing begins, done at its end, wait for all. To join
/// tasks and hear of their failures, with_scope is the better tool. 32 bytes, no allocation. Any thread; from a plain thread:
/// `run(g.wait());`. Destroyed while waited for, it asserts; whoever has waited may destroy it.
class wait_group : detail::pinned {
 public:
  explicit wait_group(std::size_t count = 0) noexcept : word_(count * one) {}
  ~wait_group() {
    WEFT_ASSERT((word_.load(detail::memory_order_relaxed) & awaited) == 0,
                "a wait_group is destroyed while tasks wait for it");
  }

  /// Counts n in. From zero it is called before the wait that is to wait for it.
  void add(std::size_t n = 1) noexcept { word_.fetch_add(n * one, detail::memory_order_relaxed); }

  /// Counts n out; at zero, all who wait go on.
  void done(std::size_t n = 1) noexcept;

  /// co_await g.wait();
  ///   completes   when the count is at zero; at once where it is
  ///   on error    never fails
  ///   on stop     leaves the queue, and completes as stopped; the count stays
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto wait() noexcept { return wait_operation(*this); }

  /// Whether the count is at zero. Never waits.
  [[nodiscard]] bool try_wait() const noexcept { return count() == 0; }
  [[nodiscard]] std::size_t count() const noexcept { return word_.load(detail::memory_order_acquire) / one; }  // E1.

 private:
  //   word_              queue_       who may change the word
  //   count × 2          empty        the count: anybody; awaited: who holds lock_
  //   count × 2 + 1      not empty    the same, but the count does not go to zero: count > 0
  //
  // Who would bring an awaited count to zero first claims all who wait, under lock_, and takes the bit away; its count goes
  // outside the lock, as its last touch: whoever finds zero may destroy the group.
  //
  //   E1  done's release → the last done's acquire, → wait's acquire at zero    what was done before
  //
  static constexpr std::size_t awaited = 1, one = 2;

  // True: the count is zero. False: w stands in the queue.
  bool zero_or_enqueue(detail::waiter& w) noexcept {
    detail::small_lock const locked(lock_);
    auto seen = word_.load(detail::memory_order_acquire);  // E1.
    while ((seen & awaited) == 0) {
      if (seen == 0) return true;
      // acquire: E1, where it fails.
      if (word_.compare_exchange_weak(seen, seen | awaited, detail::memory_order_acquire)) break;
    }
    queue_.push_back(&w);
    return false;
  }

  void leave(detail::waiter& w) noexcept {
    detail::small_lock const locked(lock_);
    if (queue_.leave(w)) note_if_empty();
  }

  // With lock_.
  void note_if_empty() noexcept {
    if (queue_.empty()) word_.fetch_and(~awaited, detail::memory_order_relaxed);
  }

  class [[nodiscard]] wait_operation : public detail::waitable_operation<wait_operation> {
   public:
    using node = detail::waiter;

    explicit wait_operation(wait_group& g) noexcept : group_(&g) {}
    bool try_complete() noexcept { return group_->try_wait(); }
    detail::enqueued enqueue(node& w) noexcept {
      if (!group_->zero_or_enqueue(w)) return detail::enqueued::waits;
      return w.claim() ? detail::enqueued::completed : detail::enqueued::lost;
    }
    detail::left withdraw(node& w) noexcept {
      group_->leave(w);
      return detail::left::now;
    }
    void take() const noexcept {}

   private:
    wait_group* group_;
  };

  detail::atomic<std::size_t> word_;
  detail::small_mutex lock_;
  detail::waiter_queue queue_;  // guarded by lock_
};

inline void wait_group::done(std::size_t n) noexcept {
  detail::waiter_queue won;
  auto seen = word_.load(detail::memory_order_relaxed);
  for (;;) {
    WEFT_ASSERT(seen / one >= n, "a wait_group is counted below zero");
    if (seen - n * one == awaited) {
      detail::small_lock const locked(lock_);
      seen = word_.load(detail::memory_order_relaxed);
      if (seen - n * one == awaited) {
        queue_.claim_all(won);
        note_if_empty();
        seen = word_.load(detail::memory_order_relaxed);
      }
    } else if (word_.compare_exchange_weak(seen, seen - n * one, detail::memory_order_acq_rel,  // E1.
                                           detail::memory_order_relaxed)) {
      break;  // Past here *this may be gone.
    }
  }
  won.fire_all();
}

}  // namespace weft
