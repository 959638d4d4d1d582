// semaphore: a number of permits; a task that takes one and finds none waits, in the order of arrival.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace weft {

/// Counts permits. First come, first served, whatever the number asked for: one who asks for many is not passed by those who ask for
/// few. 32 bytes, no allocation. Any thread; from a plain thread: `auto p = run(s.acquire());`. Destroyed while waited for,
/// it asserts; it may be destroyed as soon as its last permit has come back.
class semaphore : detail::pinned {
 public:
  class permit;

  /// The largest number of permits that there can be at a time.
  static constexpr std::size_t max = std::numeric_limits<std::size_t>::max() / 2;

  explicit semaphore(std::size_t permits) noexcept : word_(permits * one) {
    WEFT_ASSERT(permits <= max, "a semaphore is given more permits than it can count");
  }
  ~semaphore() {
    WEFT_ASSERT((word_.load(detail::memory_order_relaxed) & awaited_bit) == 0,
                "a semaphore is destroyed while tasks wait for it");
  }

  /// auto p = co_await s.acquire();        one permit
  /// auto p = co_await s.acquire(n);       n at once; n = 0 waits for those who came before
  ///   completes   when it is this task's turn and there are as many: of more than there will ever be, never
  ///   result      a permit, which gives itself back at its end
  ///   on error    never fails
  ///   on stop     leaves the queue, takes nothing, and completes as stopped; what was given before the stop is delivered
  ///   resumes on  the pool it was awaited on
  [[nodiscard]] auto acquire(std::size_t n = 1) noexcept;

  /// A permit for n, or an empty one, if there are fewer or others wait: `if (auto p = s.try_acquire()) …`. Never waits.
  [[nodiscard]] permit try_acquire(std::size_t n = 1) noexcept;

  /// Adds n permits, be they new or from a permit that has been told to forget. Lets as many waiting tasks go on as that
  /// is enough for.
  void release(std::size_t n = 1) noexcept;

  /// Permits that nobody has, at some moment during the call.
  [[nodiscard]] std::size_t available() const noexcept { return word_.load(detail::memory_order_relaxed) / one; }

 private:
  class acquire_operation;
  struct node : detail::waiter {
    using waiter::waiter;
    std::size_t wanted = 0;
  };

  //   word_                      queue_      who may change the word
  //   permits × 2                empty       anybody
  //   permits × 2 + awaited      not empty   who holds lock_; the first in the queue wants more, or has lost already
  //
  // Permits that come back while tasks wait are given out under lock_, first the first. What is left over when nobody waits any more
  // is not put into the word before lock_ has been let go: whoever finds the last permit there may destroy the semaphore.
  //
  //   E1  release's release → acquire's acquire    what was done with the permit; to waiters through claim and fire
  //
  static constexpr std::size_t awaited_bit = 1, one = 2;

  bool take(std::size_t n) noexcept {
    auto seen = word_.load(detail::memory_order_relaxed);
    while ((seen & awaited_bit) == 0 && seen / one >= n)
      if (word_.compare_exchange_weak(seen, seen - n * one, detail::memory_order_acquire,  // E1.
                                      detail::memory_order_relaxed))
        return true;
    return false;
  }

  // True: the caller has them. False: w stands in the queue.
  bool take_or_enqueue(node& w) noexcept {
    detail::small_lock const locked(lock_);
    auto seen = word_.load(detail::memory_order_relaxed);
    while ((seen & awaited_bit) == 0) {
      bool const enough = seen / one >= w.wanted;
      auto const next = enough ? seen - w.wanted * one : seen | awaited_bit;
      // acquire: E1.
      if (!word_.compare_exchange_weak(seen, next, detail::memory_order_acquire, detail::memory_order_relaxed))
        continue;
      if (enough) return true;
      break;
    }
    queue_.push_back(&w);
    return false;
  }

  // With lock_ and the word awaited: gives `more` and what is there to the first in the queue. If nobody waits any more, returns
  // what is left of `more`, else nothing: it is in the word.
  std::size_t give_out(std::size_t more, detail::waiter_queue& won) noexcept {
    auto const here = word_.load(detail::memory_order_acquire) / one;  // E1.
    auto permits = here + more;
    while (auto* const first = static_cast<node*>(queue_.front())) {
      if (first->wanted > permits) {
        word_.store(permits * one | awaited_bit, detail::memory_order_release);  // E1.
        return 0;
      }
      queue_.remove(first);
      if (!first->claim()) continue;
      permits -= first->wanted;
      won.push_back(first);
    }
    auto const keep = permits < here ? permits : here;
    word_.store(keep * one, detail::memory_order_release);  // E1.
    return permits - keep;
  }

  void leave(node& w) noexcept {
    detail::waiter_queue won;
    {
      detail::small_lock const locked(lock_);
      if (queue_.leave(w)) give_out(0, won);  // those behind it may want less
    }
    won.fire_all();
  }

  detail::atomic<std::size_t> word_;
  detail::small_mutex lock_;
  detail::waiter_queue queue_;  // guarded by lock_; of nodes
};

/// Permits of a semaphore, which go back at its end. Movable; one thread at a time.
class [[nodiscard]] semaphore::permit {
 public:
  /// Holds nothing.
  permit() noexcept = default;
  permit(permit&& other) noexcept
      : semaphore_(std::exchange(other.semaphore_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  permit& operator=(permit&& other) noexcept {
    permit old(std::move(*this));
    semaphore_ = std::exchange(other.semaphore_, nullptr);
    count_ = std::exchange(other.count_, 0);
    return *this;
  }
  ~permit() {
    if (semaphore_) semaphore_->release(count_);
  }

  /// Gives them back before its end.
  void release() noexcept {
    WEFT_ASSERT(semaphore_, "a permit is given back once: this one holds nothing");
    std::exchange(semaphore_, nullptr)->release(std::exchange(count_, 0));
  }

  /// Does not give them back: the semaphore has so many fewer, until somebody calls its release.
  void forget() noexcept {
    semaphore_ = nullptr;
    count_ = 0;
  }

  /// How many permits this is; 0: none.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] bool owns() const noexcept { return semaphore_ != nullptr; }
  explicit operator bool() const noexcept { return owns(); }

 private:
  friend class semaphore;
  permit(semaphore& s, std::size_t n) noexcept : semaphore_(&s), count_(n) {}
  semaphore* semaphore_ = nullptr;
  std::size_t count_ = 0;
};

class [[nodiscard]] semaphore::acquire_operation : public detail::waitable_operation<acquire_operation> {
 public:
  using node = semaphore::node;

  acquire_operation(semaphore& s, std::size_t n) noexcept : semaphore_(&s), wanted_(n) {}
  bool try_complete() noexcept { return semaphore_->take(wanted_); }
  detail::enqueued enqueue(node& w) noexcept {
    w.wanted = wanted_;
    if (!semaphore_->take_or_enqueue(w)) return detail::enqueued::waits;
    if (w.claim()) return detail::enqueued::completed;
    semaphore_->release(wanted_);
    return detail::enqueued::lost;
  }
  detail::left withdraw(node& w) noexcept {
    semaphore_->leave(w);
    return detail::left::now;
  }
  [[nodiscard]] permit take() noexcept { return permit(*semaphore_, wanted_); }
  void give_back() noexcept { semaphore_->release(wanted_); }

 private:
  semaphore* semaphore_;
  std::size_t wanted_;
};

inline auto semaphore::acquire(std::size_t n) noexcept { return acquire_operation(*this, n); }

inline semaphore::permit semaphore::try_acquire(std::size_t n) noexcept {
  return take(n) ? permit(*this, n) : permit();
}

inline void semaphore::release(std::size_t n) noexcept {
  detail::waiter_queue won;
  auto seen = word_.load(detail::memory_order_relaxed);
  while (n != 0) {
    if ((seen & awaited_bit) == 0) {
      WEFT_ASSERT(n <= max - seen / one, "a semaphore is given more permits than it can count");
      // release: E1. Past here *this may be gone, unless somebody is in `won`.
      if (word_.compare_exchange_weak(seen, seen + n * one, detail::memory_order_release, detail::memory_order_relaxed))
        break;
      continue;
    }
    detail::small_lock const locked(lock_);
    seen = word_.load(detail::memory_order_relaxed);
    if ((seen & awaited_bit) != 0) n = give_out(n, won);
    seen = word_.load(detail::memory_order_relaxed);
  }
  won.fire_all();
}

}  // namespace weft
