// A lock for critical sections of a few instructions that are entered very often: one atomic operation to take it, a store to let go.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/os/brief_wait.hpp>

#include <cstdint>

namespace weft::detail {

//   word_   free 0 ── lock ──▶ held 1 ── unlock ──▶ free
//
//   E1  unlock's release → lock's acquire   hands over what the lock guards
//
// Who finds it held stays away for longer each time. Two workers that take the lock in turns would send its cache line to and fro for
// each critical section; so one of them gets through dozens before the other looks again. unlock does not know who waits, so those who
// wait long (the holder has been preempted) take naps: that makes the holder run, whatever its priority.
/// Any thread may lock; the thread that locked unlocks, and touches the lock last by a store: it may die as soon as its last holder has
/// unlocked it. Meets the standard's Lockable.
class spin_mutex : pinned {
 public:
  bool try_lock() noexcept {
    return word_.load(memory_order_relaxed) == free && word_.exchange(held, memory_order_acquire) == free;  // E1.
  }

  void lock() noexcept {
    if (word_.exchange(held, memory_order_acquire) != free) [[unlikely]]  // E1.
      lock_slow();
  }

  void unlock() noexcept { word_.store(free, memory_order_release); }  // E1.

 private:
  static constexpr std::uint32_t free = 0, held = 1;

  [[gnu::noinline, gnu::cold]] void lock_slow() noexcept {
    for (brief_wait holder; !try_lock();) holder.pause();
  }

  atomic<std::uint32_t> word_{free};
};

/// Holds a spin_mutex for a scope.
class [[nodiscard]] spin_lock : pinned {
 public:
  explicit spin_lock(spin_mutex& mutex) noexcept : mutex_(mutex) { mutex_.lock(); }
  ~spin_lock() { mutex_.unlock(); }

 private:
  spin_mutex& mutex_;
};

}  // namespace weft::detail
