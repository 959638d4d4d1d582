// A mutex of four bytes for critical sections of a few instructions: spins briefly, then sleeps on a futex.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/os/futex.hpp>

#include <cstdint>

namespace weft::detail {

//   state      word   meaning
//   free       0      nobody holds it
//   held       1      held, nobody sleeps
//   contended  2      held, somebody may sleep: unlock wakes one
//
//   E1  unlock's release → lock's acquire   hands over what the mutex guards
//
// Source: Drepper, "Futexes are tricky" (2011), mutex 3. unlock touches the word last by its exchange; the wake that may
// follow uses the address alone, so a mutex may die as soon as its last holder has unlocked it.
/// Any thread may lock; the thread that locked unlocks. Meets the standard's Lockable.
class small_mutex : pinned {
 public:
  bool try_lock() noexcept {
    std::uint32_t expected = free;
    return word_.compare_exchange_strong(expected, held, memory_order_acquire, memory_order_relaxed);  // acquire: E1.
  }

  void lock() noexcept {
    if (!try_lock()) lock_slow();
  }

  void unlock() noexcept {
    if (word_.exchange(free, memory_order_release) == contended) futex_wake(word_, 1);  // release: E1.
  }

 private:
  static constexpr std::uint32_t free = 0, held = 1, contended = 2;

  [[gnu::noinline]] void lock_slow() noexcept {
    for (int spin = 0; spin < looks(100); ++spin) {
      if (word_.load(memory_order_relaxed) == free && try_lock()) return;
      relax();
    }
    while (word_.exchange(contended, memory_order_acquire) != free) futex_wait(word_, contended);  // acquire: E1.
  }

  atomic<std::uint32_t> word_{free};
};

/// Holds a small_mutex for a scope.
class [[nodiscard]] small_lock : pinned {
 public:
  explicit small_lock(small_mutex& mutex) noexcept : mutex_(mutex) { mutex_.lock(); }
  ~small_lock() { mutex_.unlock(); }

 private:
  small_mutex& mutex_;
};

}  // namespace weft::detail
