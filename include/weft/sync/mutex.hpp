// mutex: one task at a time, in the order of arrival; waiting for it gives the worker away.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <cstdint>
#include <utility>

namespace weft {

/// Mutual exclusion among tasks. Held across co_await, and unlocked on any thread. First come, first served: unlock hands the
/// mutex to the task that has waited longest. 24 bytes, no allocation. Any thread; from a plain thread: `auto l = run(m.lock());`.
/// Not recursive: a task that locks what it holds waits until it is stopped. Destroyed while held or waited for, it asserts; it may
/// be destroyed as soon as its last holder has unlocked it.
class mutex : detail::pinned {
 public:
  class guard;

  mutex() noexcept = default;
  ~mutex() {
    WEFT_ASSERT(word_.load(detail::memory_order_relaxed) == free,
                "a mutex is destroyed while it is held or waited for");
  }

  /// auto l = co_await m.lock();
  ///   completes   when it is this task's turn; at once where nobody holds the mutex
  ///   result      a guard, which unlocks at its end
  ///   on error    never fails
  ///   on stop     leaves the queue, and completes as stopped; a mutex that was handed over before the stop is delivered
  ///   resumes on  the pool it was awaited on
  /// Cost of lock and unlock that meet nobody: a compare-exchange each.
  [[nodiscard]] auto lock() noexcept;

  /// A guard, which owns the mutex if nobody held it: `if (auto l = m.try_lock()) …`. Never waits.
  [[nodiscard]] guard try_lock() noexcept;

  /// Whether somebody holds it, at some moment during the call.
  [[nodiscard]] bool is_locked() const noexcept { return word_.load(detail::memory_order_relaxed) != free; }

 private:
  friend class condition_variable;
  class lock_operation;

  //              try_lock                        enqueue
  //     free ───────────────▶ held ───────────────────────────────▶ awaited
  //       ▲                    │ ▲                                    │
  //       └────── unlock ──────┘ └─ the last waiter leaves the queue ─┘
  //
  //   word_     value   queue_        who may change the word
  //   free      0       empty         anybody
  //   held      1       empty         its holder, or who is about to wait, with lock_
  //   awaited   2       not empty     who holds lock_
  //
  // unlock of an awaited mutex takes the first waiter it can claim: that one holds the mutex now, and the word does not say that
  // it was ever free. If there is none left to claim, the word goes back to held, and unlock begins again: whoever finds the mutex
  // free can destroy it, so that store is the last touch, outside lock_.
  //
  //   E1  unlock's release → lock's acquire        what the mutex guards; handed over, through claim and fire
  //
  static constexpr std::uint32_t free = 0, held = 1, awaited = 2;

  bool try_acquire() noexcept {
    auto expected = free;
    return word_.compare_exchange_strong(expected, held, detail::memory_order_acquire,  // E1.
                                         detail::memory_order_relaxed);
  }

  void release() noexcept {
    auto expected = held;
    if (!word_.compare_exchange_strong(expected, free, detail::memory_order_release,  // E1.
                                       detail::memory_order_relaxed)) [[unlikely]]
      hand_over();
  }

  [[gnu::noinline]] void hand_over() noexcept {
    for (;;) {
      WEFT_ASSERT(word_.load(detail::memory_order_relaxed) != free, "a mutex is unlocked that nobody holds");
      detail::waiter* next = nullptr;
      {
        detail::small_lock const locked(lock_);
        next = queue_.pop_claimed();
        note_if_empty();
      }
      if (next) return next->fire();  // Past here *this may be gone.
      auto expected = held;
      if (word_.compare_exchange_strong(expected, free, detail::memory_order_release,  // E1.
                                        detail::memory_order_relaxed))
        return;  // Past here *this may be gone.
    }
  }

  // completed: the caller has the mutex, and claims w. waits: w stands in the queue. lost: its task has been asked to stop.
  detail::enqueued acquire_or_enqueue(detail::waiter& w) noexcept {
    detail::small_lock const locked(lock_);
    auto seen = word_.load(detail::memory_order_relaxed);
    while (seen != awaited) {
      auto const next = seen == free ? held : awaited;
      if (!word_.compare_exchange_weak(seen, next, detail::memory_order_acquire, detail::memory_order_relaxed))  // E1.
        continue;
      if (next == held) return detail::enqueued::completed;
      break;
    }
    if (queue_.stand(w)) return detail::enqueued::waits;
    note_if_empty();
    return detail::enqueued::lost;
  }

  void leave(detail::waiter& w) noexcept {
    detail::small_lock const locked(lock_);
    if (queue_.leave(w)) note_if_empty();
  }

  // With lock_, while the mutex is not free.
  void note_if_empty() noexcept {
    if (queue_.empty()) word_.store(held, detail::memory_order_relaxed);
  }

  detail::atomic<std::uint32_t> word_{free};
  detail::small_mutex lock_;
  detail::waiter_queue queue_;  // guarded by lock_
};

/// Holds a mutex until its end. Movable; one thread at a time.
class [[nodiscard]] mutex::guard {
 public:
  /// Holds nothing.
  guard() noexcept = default;
  guard(guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
  guard& operator=(guard&& other) noexcept {
    guard old(std::move(*this));
    mutex_ = std::exchange(other.mutex_, nullptr);
    return *this;
  }
  ~guard() {
    if (mutex_) mutex_->release();
  }

  /// Before its end.
  void unlock() noexcept {
    WEFT_ASSERT(mutex_, "a guard unlocks once: this one holds nothing");
    std::exchange(mutex_, nullptr)->release();
  }

  [[nodiscard]] bool owns() const noexcept { return mutex_ != nullptr; }
  explicit operator bool() const noexcept { return owns(); }

 private:
  friend class mutex;
  friend class condition_variable;
  explicit guard(mutex& m) noexcept : mutex_(&m) {}
  mutex* mutex_ = nullptr;
};

class [[nodiscard]] mutex::lock_operation : public detail::waitable_operation<lock_operation> {
 public:
  using node = detail::waiter;
  static constexpr bool can_wait_alone = true;

  explicit lock_operation(mutex& m) noexcept : mutex_(&m) {}
  bool try_complete() noexcept { return mutex_->try_acquire(); }
  detail::enqueued enqueue(node& w) noexcept {
    auto const said = mutex_->acquire_or_enqueue(w);
    if (said != detail::enqueued::completed || w.claim()) return said;
    mutex_->release();
    return detail::enqueued::lost;
  }
  detail::left withdraw(node& w) noexcept {
    mutex_->leave(w);
    return detail::left::now;
  }
  [[nodiscard]] guard take() noexcept { return guard(*mutex_); }
  void give_back() noexcept { mutex_->release(); }

 private:
  mutex* mutex_;
};

inline auto mutex::lock() noexcept { return lock_operation(*this); }
inline mutex::guard mutex::try_lock() noexcept { return try_acquire() ? guard(*this) : guard(); }

}  // namespace weft
