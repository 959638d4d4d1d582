// Small vocabulary without a better home: unit, pinned, scope_exit, a random number, the size of a cache line.
#pragma once

#include <weft/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace weft {

/// The result of something that returns nothing, where a value is needed: void becomes unit.
struct unit {
  friend constexpr bool operator==(unit, unit) noexcept { return true; }
};

namespace detail {

/// Two lines: the adjacent-line prefetcher moves them in pairs.
inline constexpr std::size_t cache_line = 128;

template <class T>
using unit_if_void = std::conditional_t<std::is_void_v<T>, unit, T>;

/// Whether an await_resume that returns R may not be called though its wait has ended: see resumes_at_the_end.
template <class R>
inline constexpr bool result_may_be_left = resumes_at_the_end && (std::is_reference_v<R> || std::is_scalar_v<R>);

/// What another thread may hold stays where it is.
struct pinned {
  pinned() = default;
  pinned(pinned const&) = delete;
  pinned& operator=(pinned const&) = delete;
  ~pinned() = default;
};

template <class F>
class [[nodiscard]] scope_exit : pinned {
 public:
  explicit scope_exit(F f) : f_(std::move(f)) {}
  ~scope_exit() { f_(); }

 private:
  F f_;
};

/// xorshift64* (Vigna 2016): for victims and jitter, not for secrets. One thread at a time.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15u + 0x2545F4914F6CDD1Du) {
    if (state_ == 0) state_ = 1;
  }

  std::uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Du;
  }

  /// Uniform enough in [0, bound); bound > 0.
  std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace detail
}  // namespace weft
