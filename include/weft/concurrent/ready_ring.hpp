// The bounded queue of what a worker may run next: its owner pushes and pops, thieves take half.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace weft::detail {

//   slots:   ... head ......... tail ...        indices grow for ever, a slot is index modulo capacity
//                | items        |
//   owner    writes slots at tail, then moves tail; takes at head by compare-exchange
//   thief    copies slots from head, then moves head by compare-exchange: success means that nothing it copied had been
//            overwritten, because the owner overwrites a slot only after head has passed it
//
//   E1  tail's release (or stronger) → a taker's acquire of tail    publishes the slot and the item
//   E2  head's release → the owner's acquire of head in push        the slot has been read and may be written again
//   E3  push's seq_cst store of tail, then the pusher's look for sleepers; a sleeper's announcement, then its seq_cst look at
//       tail: one of the two sees the other
//
// 64-bit indices do not come round. Source of the shape: the run queue of Go's scheduler.
/// One owner, any number of thieves. T is a pointer.
template <class T, std::size_t Capacity>
class ready_ring : pinned {
  static_assert((Capacity & (Capacity - 1)) == 0);

 public:
  static constexpr std::size_t capacity = Capacity;

  /// Owner. False: full.
  [[nodiscard]] bool push(T item) noexcept {
    auto const tail = tail_.load(memory_order_relaxed);
    if (tail - head_.load(memory_order_acquire) == Capacity) return false;  // acquire: E2.
    slot(tail).store(item, memory_order_relaxed);
    tail_.store(tail + 1, memory_order_seq_cst);  // E1, E3.
    return true;
  }

  /// Owner. The oldest item, or null.
  T pop() noexcept {
    auto head = head_.load(memory_order_relaxed);
    auto const tail = tail_.load(memory_order_relaxed);
    while (head != tail) {
      T const item = slot(head).load(memory_order_relaxed);
      // Relaxed: the head carries on what earlier thieves released (E2), as each exchange does, and the items are the owner's own.
      if (head_.compare_exchange_weak(head, head + 1, memory_order_relaxed)) return item;
    }
    return nullptr;
  }

  /// Owner. What pop() may give after `steps` others; where there are fewer, any former item, or null. A hint.
  [[nodiscard]] T ahead(std::size_t steps) const noexcept {
    return slots_[(head_.load(memory_order_relaxed) + steps) % Capacity].load(memory_order_relaxed);
  }

  /// Any thread. Copies the older half, at most `most` items, into `out`; returns how many are now the caller's.
  std::size_t steal(T* out, std::size_t most) noexcept {
    // acquire: other thieves, and the owner, who have moved it.
    auto head = head_.load(memory_order_acquire);
    for (;;) {
      auto const tail = tail_.load(memory_order_acquire);  // acquire: E1.
      auto const size = tail - head;
      if (size == 0 || size > Capacity) return 0;  // more than the capacity: head was read long before tail
      auto const half = size - size / 2;
      auto const count = half < most ? half : most;
      for (std::uint64_t i = 0; i != count; ++i) out[i] = slot(head + i).load(memory_order_relaxed);
      // E2.
      if (head_.compare_exchange_weak(head, head + count, memory_order_acq_rel, memory_order_acquire)) return count;
    }
  }

  /// Any thread. A seq_cst look, for the sleeper's second one (E3).
  [[nodiscard]] bool empty() const noexcept {
    // sleep E1: a sleeper looks after it has announced itself, a producer moves the tail before it looks for sleepers.
    return tail_.load(memory_order_seq_cst) == head_.load(memory_order_seq_cst);
  }

  /// Any thread, for which it is a hint.
  [[nodiscard]] std::size_t size() const noexcept {
    auto const size = tail_.load(memory_order_relaxed) - head_.load(memory_order_relaxed);
    return size > Capacity ? 0
                           : static_cast<std::size_t>(size);  // as in steal: one of them was read long before the other
  }

 private:
  atomic<T>& slot(std::uint64_t index) noexcept { return slots_[index % Capacity]; }

  alignas(cache_line) atomic<std::uint64_t> head_{0};
  alignas(cache_line) atomic<std::uint64_t> tail_{0};
  std::array<atomic<T>, Capacity> slots_{};
};

}  // namespace weft::detail
