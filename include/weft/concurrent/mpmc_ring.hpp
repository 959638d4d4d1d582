// A bounded queue for any number of producers and consumers.
#pragma once

#include <weft/base/utility.hpp>
#include <weft/concurrent/atomic.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace weft::detail {

//   A cell's turn says whose it is: turn == position: free for the producer of that position;
//   turn == position + 1: filled, for the consumer of that position; then it becomes position + Capacity.
//
//   E1  producer's release of turn → consumer's acquire    hands over the value
//   E2  consumer's release of turn → producer's acquire    hands the cell back
//
// Source: Vyukov, "Bounded MPMC queue" (2010). Not lock-free in the strict sense: a thread stopped between taking a position
// and releasing its cell holds up that cell alone.
/// Any thread pushes and pops. T is trivially copyable.
template <class T, std::size_t Capacity>
class mpmc_ring : pinned {
  static_assert(Capacity >= 2 && (Capacity & (Capacity - 1)) == 0);

 public:
  mpmc_ring() noexcept {
    for (std::size_t i = 0; i < Capacity; ++i) cells_[i].turn.store(i, memory_order_relaxed);
  }

  /// False: full.
  [[nodiscard]] bool push(T value) noexcept {
    auto position = push_.load(memory_order_relaxed);
    for (;;) {
      cell& c = cells_[position % Capacity];
      auto const turn = c.turn.load(memory_order_acquire);  // acquire: E2.
      if (turn == position) {
        if (push_.compare_exchange_weak(position, position + 1, memory_order_relaxed)) {
          c.value = value;
          c.turn.store(position + 1, memory_order_release);  // release: E1.
          return true;
        }
      } else if (turn < position) {
        return false;
      } else {
        position = push_.load(memory_order_relaxed);
      }
    }
  }

  /// False: empty.
  [[nodiscard]] bool pop(T& value) noexcept {
    auto position = pop_.load(memory_order_relaxed);
    for (;;) {
      cell& c = cells_[position % Capacity];
      auto const turn = c.turn.load(memory_order_acquire);  // acquire: E1.
      if (turn == position + 1) {
        if (pop_.compare_exchange_weak(position, position + 1, memory_order_relaxed)) {
          value = c.value;
          c.turn.store(position + Capacity, memory_order_release);  // release: E2.
          return true;
        }
      } else if (turn < position + 1) {
        return false;
      } else {
        position = pop_.load(memory_order_relaxed);
      }
    }
  }

 private:
  struct cell {
    atomic<std::uint64_t> turn{0};
    T value{};  // its owner is whoever turn names
  };

  alignas(cache_line) atomic<std::uint64_t> push_{0};
  alignas(cache_line) atomic<std::uint64_t> pop_{0};
  alignas(cache_line) std::array<cell, Capacity> cells_;
};

}  // namespace weft::detail
