// How a thread sleeps until another has something for it: parker (one owner, one token) and event_count (many waiters).
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>
#include <weft/os/clock.hpp>
#include <weft/os/futex.hpp>

#include <cstdint>

namespace weft::detail {

//              unpark                     park
//     empty ───────────▶ token      token ───────▶ empty, returns
//     empty ── park ───▶ parked ── unpark ───────▶ token, and the owner is woken
//
//   E1  unpark's release → park's acquire   what was written before unpark is seen after park
//
/// One token. Its owner alone parks; any thread unparks. park may return without a token having been meant for this call
/// (one left from an earlier unpark): the owner looks at its condition again.
class parker : pinned {
 public:
  void park(clock::time_point deadline = clock::time_point::max()) noexcept {
    // acquire: E1.
    if (word_.exchange(parked, memory_order_acquire) != token) {
      while (word_.load(memory_order_acquire) == parked) {  // acquire: E1.
        futex_wait(word_, parked, deadline);
        if (deadline != clock::time_point::max() && clock::now() >= deadline) break;
      }
    }
    word_.exchange(empty, memory_order_acquire);  // acquire: E1, for a token that came with the deadline.
  }

  void unpark() noexcept {
    if (word_.exchange(token, memory_order_release) == parked) futex_wake(word_, 1);  // release: E1.
  }

 private:
  static constexpr std::uint32_t empty = 0, token = 1, parked = 2;
  atomic<std::uint32_t> word_{empty};
};

// A condition without a lock. The waiter announces itself, looks at the condition again, then waits for the epoch to move;
// the notifier makes the condition true, then looks for waiters.
//
//   E1  seq_cst, both sides: announcement first: the notifier sees the waiter and moves the epoch;
//       notifier's look first: the condition was made true before it, and the waiter's second look sees that.
//   E2  notify's release → wait's acquire   what was written before notify is seen after wait
//
// The epoch has 32 bits and wraps: a waiter would have to sleep through exactly 2^32 notifications between its announcement
// and its futex call to miss them.
/// Any thread may wait or notify.
class event_count : pinned {
 public:
  using key = std::uint32_t;

  /// Announces a waiter. The caller looks at its condition next, then calls wait or cancel.
  [[nodiscard]] key prepare_wait() noexcept {
    waiters_.fetch_add(1, memory_order_seq_cst);  // E1.
    return epoch_.load(memory_order_seq_cst);     // E1.
  }

  void cancel_wait() noexcept { waiters_.fetch_sub(1, memory_order_relaxed); }

  /// Sleeps until a notification later than the key, or the deadline. False: the deadline came first.
  bool wait(key announced, clock::time_point deadline = clock::time_point::max()) noexcept {
    bool notified = true;
    while (epoch_.load(memory_order_acquire) == announced) {  // acquire: E2.
      if (deadline != clock::time_point::max() && clock::now() >= deadline) {
        notified = false;
        break;
      }
      futex_wait(epoch_, announced, deadline);
    }
    waiters_.fetch_sub(1, memory_order_relaxed);
    return notified;
  }

  /// Call after the condition has been made true by a seq_cst operation (or under a lock that the waiter's look takes).
  void notify_one() noexcept { notify(1); }
  void notify_all() noexcept { notify(INT32_MAX); }

 private:
  void notify(int count) noexcept {
    if (waiters_.load(memory_order_seq_cst) == 0) return;  // E1.
    epoch_.fetch_add(1, memory_order_seq_cst);             // E1; its release half: E2.
    futex_wake(epoch_, count);
  }

  atomic<std::uint32_t> epoch_{0};
  atomic<std::uint32_t> waiters_{0};
};

}  // namespace weft::detail
