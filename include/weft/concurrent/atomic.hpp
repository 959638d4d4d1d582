// The policy that every atomic of the library goes through: std::atomic, or under WEFT_CHAOS the same with random yields, which in a simulated
// world (weft::sim) are decisions of its seed.
// Under WEFT_MODEL the checker's takes its place (tests/model/policy.hpp).
#pragma once

#include <weft/base/config.hpp>
#include <weft/os/futex.hpp>
#include <weft/os/simulation.hpp>

#include <atomic>
#include <cstdint>

#if WEFT_CHAOS
#include <sched.h>
#endif

namespace weft::detail {

// The names alone: what an order pairs with stands where it is used.
using std::memory_order_acq_rel, std::memory_order_acquire, std::memory_order_relaxed;
using std::memory_order_release,
    std::memory_order_seq_cst;  // these as well: names, whose pairs stand where they are used

#if WEFT_MODEL

template <class T>
using atomic = weft_model::atomic<T>;

#elif WEFT_CHAOS

/// One operation in sixteen gives the processor away, so that threads meet at every pair of steps.
[[gnu::noinline]] inline void maybe_yield() noexcept {
  if (simulation* const world = current_simulation()) return world->step();
  static thread_local std::uint64_t state = 0x9E3779B97F4A7C15u ^ this_thread_identity();
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  if ((state & 15) == 0) ::sched_yield();
}

/// No order is the default here: each call says its own.
template <class T>
class atomic : public std::atomic<T> {
  using base = std::atomic<T>;

 public:
  using base::base;
  T load(std::memory_order order) const noexcept { return maybe_yield(), base::load(order); }
  void store(T value, std::memory_order order) noexcept { maybe_yield(), base::store(value, order); }
  T exchange(T value, std::memory_order order) noexcept { return maybe_yield(), base::exchange(value, order); }
  template <class... Orders>
  bool compare_exchange_strong(T& expected, T value, Orders... orders) noexcept {
    return maybe_yield(), base::compare_exchange_strong(expected, value, orders...);
  }
  template <class... Orders>
  bool compare_exchange_weak(T& expected, T value, Orders... orders) noexcept {
    return maybe_yield(), base::compare_exchange_weak(expected, value, orders...);
  }
  template <class U>
  T fetch_add(U value, std::memory_order order) noexcept {
    return maybe_yield(), base::fetch_add(static_cast<typename base::difference_type>(value), order);
  }
  template <class U>
  T fetch_sub(U value, std::memory_order order) noexcept {
    return maybe_yield(), base::fetch_sub(static_cast<typename base::difference_type>(value), order);
  }
  T fetch_or(T value, std::memory_order order) noexcept { return maybe_yield(), base::fetch_or(value, order); }
  T fetch_and(T value, std::memory_order order) noexcept { return maybe_yield(), base::fetch_and(value, order); }
};

#else

template <class T>
using atomic = std::atomic<T>;

#endif

}  // namespace weft::detail
