// shared_mutex: many readers or one writer, in the order of arrival.
#pragma once

#include <weft/base/assert.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/concurrent/mutex.hpp>
#include <weft/sync/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace weft {

/// Readers share it, a writer has it alone. First come, first served: a reader that comes after a waiting writer waits behind it, so
/// neither kind starves; readers that stand next to each other go in together. Held across co_await, and unlocked on any
/// thread. Not recursive, for readers neither: a reader that asks again while a writer waits, waits for itself. 32 bytes, no
/// allocation. Any thread; from a plain thread: `auto l = run(m.lock());`. Destroyed while held or waited for, it asserts.
class shared_mutex : detail::pinned {
 public:
  class guard;
  class shared_guard;

  shared_mutex() noexcept = default;
  ~shared_mutex() {
    WEFT_ASSERT(word_.load(detail::memory_order_relaxed) == 0,
                "a shared_mutex is destroyed while it is held or waited for");
  }

  /// auto l = co_await m.lock();            alone
  /// auto l = co_await m.lock_shared();     with other readers
  ///   completes   when it is this task's turn
  ///   result      a guard, which unlocks at its end
  ///   on error    never fails
  ///   on stop     leaves the queue, lets those in whom it held up, and completes as stopped; what was handed over before is delivered
  ///   resumes on  the pool it was awaited on
  /// Cost of lock and unlock that meet nobody: a compare-exchange each.
  [[nodiscard]] auto lock() noexcept;
  [[nodiscard]] auto lock_shared() noexcept;

  /// A guard, which owns if it could be had at once without passing anybody who waits. Never waits.
  [[nodiscard]] guard try_lock() noexcept;
  [[nodiscard]] shared_guard try_lock_shared() noexcept;

 private:
  using word = std::size_t;
  template <class Guard>
  class lock_operation;
  struct node : detail::waiter {
    using waiter::waiter;
    word hold = 0;  // what it adds to the word: writer or reader
  };

  //   word_                    queue_       who may change the word
  //   readers × 4 or writer    empty        anybody
  //   the same + awaited       not empty    who holds lock_; the first in the queue cannot go in, or has lost already
  //
  // What a holder gives back while tasks wait, it gives back under lock_, and lets in whom it can. If it turns out that nobody
  // waits any more, it keeps its hold until it has let go of lock_, and then gives it back through the word alone, as its last touch.
  //
  //   E1  unlock's release → lock's acquire   what the mutex guards; to waiters through claim and fire
  //
  static constexpr word writer = 1, awaited = 2, reader = 4;

  static bool fits(word held, word hold) noexcept { return hold == writer ? held == 0 : (held & writer) == 0; }

  bool try_acquire(word hold) noexcept {
    auto seen = word_.load(detail::memory_order_relaxed);
    while ((seen & awaited) == 0 && fits(seen, hold))
      if (word_.compare_exchange_weak(seen, seen + hold, detail::memory_order_acquire,  // E1.
                                      detail::memory_order_relaxed))
        return true;
    return false;
  }

  // True: the caller has it. False: w stands in the queue.
  bool acquire_or_enqueue(node& w) noexcept {
    detail::small_lock const locked(lock_);
    auto seen = word_.load(detail::memory_order_relaxed);
    while ((seen & awaited) == 0) {
      bool const now = fits(seen, w.hold);
      // acquire: E1.
      if (!word_.compare_exchange_weak(seen, now ? seen + w.hold : seen | awaited, detail::memory_order_acquire,
                                       detail::memory_order_relaxed))
        continue;
      if (now) return true;
      break;
    }
    queue_.push_back(&w);
    return false;
  }

  void release(word hold) noexcept {
    auto seen = word_.load(detail::memory_order_relaxed);
    do {
      WEFT_ASSERT((hold == writer ? seen & writer : seen / reader) != 0,
                  "a shared_mutex is unlocked that nobody holds");
      while ((seen & awaited) == 0)
        if (word_.compare_exchange_weak(seen, seen - hold, detail::memory_order_release,  // E1.
                                        detail::memory_order_relaxed))
          return;  // Past here *this may be gone.
    } while (!give_back(hold, seen));
  }

  // False: nobody waits any more, and the hold is the caller's still.
  [[gnu::noinline]] bool give_back(word hold, word& seen) noexcept {
    detail::waiter_queue won;
    {
      detail::small_lock const locked(lock_);
      seen = word_.load(detail::memory_order_acquire);  // E1: of those who gave back through the word.
      if ((seen & awaited) == 0) return false;
      auto const next = let_in(seen - hold, won);
      bool const nobody = won.empty() && queue_.empty();
      if (nobody) seen &= ~awaited;
      word_.store(nobody ? seen : next, detail::memory_order_release);  // E1.
      if (nobody) return false;
    }
    won.fire_all();  // Past here *this may be gone.
    return true;
  }

  // With lock_ and the word awaited: takes those out of the queue who fit beside `held`. Returns the word to be stored.
  word let_in(word held, detail::waiter_queue& won) noexcept {
    held &= ~awaited;
    while (auto* const first = static_cast<node*>(queue_.front())) {
      if (!fits(held, first->hold)) break;
      queue_.remove(first);
      if (!first->claim()) continue;
      held += first->hold;
      won.push_back(first);
    }
    return queue_.empty() ? held : held | awaited;
  }

  void leave(node& w) noexcept {
    detail::waiter_queue won;
    {
      detail::small_lock const locked(lock_);
      // acquire and release: E1.
      if (queue_.leave(w))
        word_.store(let_in(word_.load(detail::memory_order_acquire), won), detail::memory_order_release);
    }
    won.fire_all();
  }

  // What the two kinds of guard share.
  template <word Hold>
  class holder {
   public:
    holder() noexcept = default;
    holder(holder&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    holder& operator=(holder&& other) noexcept {
      holder old(std::move(*this));
      mutex_ = std::exchange(other.mutex_, nullptr);
      return *this;
    }
    ~holder() {
      if (mutex_) mutex_->release(Hold);
    }

    /// Before its end.
    void unlock() noexcept {
      WEFT_ASSERT(mutex_, "a guard unlocks once: this one holds nothing");
      std::exchange(mutex_, nullptr)->release(Hold);
    }

    [[nodiscard]] bool owns() const noexcept { return mutex_ != nullptr; }
    explicit operator bool() const noexcept { return owns(); }

   protected:
    static constexpr word hold = Hold;
    explicit holder(shared_mutex& m) noexcept : mutex_(&m) {}

   private:
    shared_mutex* mutex_ = nullptr;
  };

  detail::atomic<word> word_{0};
  detail::small_mutex lock_;
  detail::waiter_queue queue_;  // guarded by lock_; of nodes
};

/// Holds a shared_mutex alone, until its end. Movable; one thread at a time.
class [[nodiscard]] shared_mutex::guard : public holder<writer> {
 public:
  guard() noexcept = default;

 private:
  friend class shared_mutex;
  using holder::holder;
};

/// Holds a shared_mutex as one of its readers, until its end. Movable; one thread at a time.
class [[nodiscard]] shared_mutex::shared_guard : public holder<reader> {
 public:
  shared_guard() noexcept = default;

 private:
  friend class shared_mutex;
  using holder::holder;
};

template <class Guard>
class [[nodiscard]] shared_mutex::lock_operation : public detail::waitable_operation<lock_operation<Guard>> {
 public:
  using node = shared_mutex::node;

  explicit lock_operation(shared_mutex& m) noexcept : mutex_(&m) {}
  bool try_complete() noexcept { return mutex_->try_acquire(Guard::hold); }
  detail::enqueued enqueue(node& w) noexcept {
    w.hold = Guard::hold;
    if (!mutex_->acquire_or_enqueue(w)) return detail::enqueued::waits;
    if (w.claim()) return detail::enqueued::completed;
    mutex_->release(Guard::hold);
    return detail::enqueued::lost;
  }
  detail::left withdraw(node& w) noexcept {
    mutex_->leave(w);
    return detail::left::now;
  }
  [[nodiscard]] Guard take() noexcept { return Guard(*mutex_); }
  void give_back() noexcept { mutex_->release(Guard::hold); }

 private:
  shared_mutex* mutex_;
};

inline auto shared_mutex::lock() noexcept { return lock_operation<guard>(*this); }
inline auto shared_mutex::lock_shared() noexcept { return lock_operation<shared_guard>(*this); }
inline shared_mutex::guard shared_mutex::try_lock() noexcept { return try_acquire(writer) ? guard(*this) : guard(); }
inline shared_mutex::shared_guard shared_mutex::try_lock_shared() noexcept {
  return try_acquire(reader) ? shared_guard(*this) : shared_guard();
}

}  // namespace weft
