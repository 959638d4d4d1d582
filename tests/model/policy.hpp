// What takes the place of atomics, futexes, the clock and threads under WEFT_MODEL: each operation is a step of a modelled thread,
// which the explorer schedules and answers. The headers of weft include this through weft/base/config.hpp and nothing else of the checker.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

namespace weft_model {

using where = std::source_location;

enum class change { exchange, add, subtract, bit_or, bit_and, bit_xor };

// ── the checker's side: explorer.cpp ──

void construct(void const* at, std::uint64_t value) noexcept;
void destroy(void const* at) noexcept;
/// Of so many bytes. What stands at the address counts for an object whose constructor did not run under the checker: zero pages, globals.
std::uint64_t load(void const* at, std::size_t bytes, std::memory_order order, where const& w) noexcept;
void store(void const* at, std::size_t bytes, std::uint64_t value, std::memory_order order, where const& w) noexcept;
std::uint64_t read_modify_write(void const* at, std::size_t bytes, change how, std::uint64_t operand,
                                std::memory_order order, where const& w) noexcept;
enum class strength { weak, strong };
bool compare_exchange(void const* at, std::size_t bytes, std::uint64_t& expected, std::uint64_t value, strength s,
                      std::memory_order success, std::memory_order failure, where const& w) noexcept;
void fence(std::memory_order order, where const& w = where::current()) noexcept;

/// A thread that waits for others gives way: it goes on when one of them has changed something, or nobody else can go on.
void give_way() noexcept;
std::uintptr_t this_thread() noexcept;

inline constexpr std::int64_t never = INT64_MAX;
[[nodiscard]] std::int64_t now() noexcept;
void futex_wait(void const* word, std::uint32_t expected, std::int64_t deadline, where const& w) noexcept;
void futex_wake(void const* word, int count, where const& w) noexcept;

/// Starts a modelled thread that calls entry(argument). Zero: there is no room for another.
[[nodiscard]] std::uintptr_t start_thread(void* (*entry)(void*), void* argument) noexcept;
void join_thread(std::uintptr_t thread) noexcept;

[[noreturn]] void misuse(char const* sentence, char const* file, int line) noexcept;

// ── what the headers use ──

/// Virtual time: it moves when a deadline is what happens next.
struct clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<clock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept { return time_point(duration(weft_model::now())); }
};

template <class T>
using difference = std::conditional_t<std::is_pointer_v<T>, std::ptrdiff_t, T>;

/// As std::atomic, of the same size. What is stored stands in the checker's history, and here what it was made with.
template <class T>
class atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);

 public:
  using value_type = T;

  constexpr atomic() noexcept : atomic(T()) {}
  constexpr atomic(T value) noexcept : initial_(value) {
    if (!std::is_constant_evaluated()) construct(this, bits(value));
  }
  constexpr ~atomic() {
    if (!std::is_constant_evaluated()) destroy(this);
  }
  atomic(atomic const&) = delete;
  atomic& operator=(atomic const&) = delete;

  T load(std::memory_order order = std::memory_order_seq_cst, where const& w = where::current()) const noexcept {
    return value(weft_model::load(this, sizeof(T), order, w));
  }
  void store(T v, std::memory_order order = std::memory_order_seq_cst, where const& w = where::current()) noexcept {
    weft_model::store(this, sizeof(T), bits(v), order, w);
  }
  T exchange(T v, std::memory_order order = std::memory_order_seq_cst, where const& w = where::current()) noexcept {
    return update(change::exchange, bits(v), order, w);
  }
  T fetch_add(difference<T> v, std::memory_order order = std::memory_order_seq_cst,
              where const& w = where::current()) noexcept {
    return update(change::add, scaled(v), order, w);
  }
  T fetch_sub(difference<T> v, std::memory_order order = std::memory_order_seq_cst,
              where const& w = where::current()) noexcept {
    return update(change::subtract, scaled(v), order, w);
  }
  T fetch_or(T v, std::memory_order order = std::memory_order_seq_cst, where const& w = where::current()) noexcept {
    return update(change::bit_or, bits(v), order, w);
  }
  T fetch_and(T v, std::memory_order order = std::memory_order_seq_cst, where const& w = where::current()) noexcept {
    return update(change::bit_and, bits(v), order, w);
  }
  T fetch_xor(T v, std::memory_order order = std::memory_order_seq_cst, where const& w = where::current()) noexcept {
    return update(change::bit_xor, bits(v), order, w);
  }

  bool compare_exchange_strong(T& expected, T v, std::memory_order success, std::memory_order failure,
                               where const& w = where::current()) noexcept {
    return compare(strength::strong, expected, v, success, failure, w);
  }
  bool compare_exchange_strong(T& expected, T v, std::memory_order order = std::memory_order_seq_cst,
                               where const& w = where::current()) noexcept {
    return compare(strength::strong, expected, v, order, of_failure(order), w);
  }
  bool compare_exchange_weak(T& expected, T v, std::memory_order success, std::memory_order failure,
                             where const& w = where::current()) noexcept {
    return compare(strength::weak, expected, v, success, failure, w);
  }
  bool compare_exchange_weak(T& expected, T v, std::memory_order order = std::memory_order_seq_cst,
                             where const& w = where::current()) noexcept {
    return compare(strength::weak, expected, v, order, of_failure(order), w);
  }

 private:
  static std::uint64_t bits(T v) noexcept {
    std::uint64_t b = 0;
    std::memcpy(&b, &v, sizeof(T));
    return b;
  }
  static T value(std::uint64_t b) noexcept {
    T v;
    std::memcpy(&v, &b, sizeof(T));
    return v;
  }
  static std::memory_order of_failure(std::memory_order order) noexcept {
    if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
    if (order == std::memory_order_release) return std::memory_order_relaxed;
    return order;
  }
  static std::uint64_t scaled(difference<T> v) noexcept {
    if constexpr (std::is_pointer_v<T>) return static_cast<std::uint64_t>(v) * sizeof(std::remove_pointer_t<T>);
    else return bits(v);
  }
  T update(change how, std::uint64_t operand, std::memory_order order, where const& w) noexcept {
    return value(read_modify_write(this, sizeof(T), how, operand, order, w));
  }
  bool compare(strength s, T& expected, T v, std::memory_order success, std::memory_order failure,
               where const& w) noexcept {
    auto e = bits(expected);
    bool const done = compare_exchange(this, sizeof(T), e, bits(v), s, success, failure, w);
    if (!done) expected = value(e);
    return done;
  }

  T initial_;
};

/// Null, and no compiler knows it: it would warn of calls that are never made.
inline void* no_world() noexcept {
  void* none = nullptr;
  asm("" : "+r"(none));
  return none;
}

}  // namespace weft_model
