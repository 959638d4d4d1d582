// The clock of every deadline in weft.
#pragma once

#include <weft/base/config.hpp>
#include <weft/os/simulation.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace weft {

#if WEFT_MODEL
using clock = weft_model::clock;
#else
/// Monotonic, nanoseconds, never set back: std::chrono::steady_clock, whose time points it has. In a simulated world (weft::sim) it is
/// that world's.
struct clock {
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr bool is_steady = true;

  static time_point now() noexcept {
    if (detail::simulation* const world = detail::current_simulation()) [[unlikely]]
      return world->now();
    return std::chrono::steady_clock::now();
  }
};
#endif

namespace detail {

/// A clock of about 10 ns a look, for comparing durations of microseconds: cycles of a constant rate where the processor has them.
inline std::uint64_t ticks() noexcept {
#if WEFT_MODEL
  return static_cast<std::uint64_t>(clock::now().time_since_epoch().count()) * 5 / 2;
#elif defined(__x86_64__) || defined(__i386__)
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->ticks();
  return __builtin_ia32_rdtsc();
#else
  if (simulation* const world = current_simulation()) [[unlikely]]
    return world->ticks();
  return static_cast<std::uint64_t>(clock::now().time_since_epoch().count());
#endif
}

/// Ticks in a microsecond, to within a factor of two or so: processors count 1 to 5 in a nanosecond.
#if defined(__x86_64__) || defined(__i386__)
inline constexpr std::uint64_t ticks_per_microsecond = 2500;
#else
inline constexpr std::uint64_t ticks_per_microsecond = 1000;
#endif

/// d in the clock's unit, rounded up, held at the longest there is, and at the longest below zero.
template <class Rep, class Period>
clock::duration whole_duration(std::chrono::duration<Rep, Period> d) noexcept {
  using seconds = std::chrono::duration<double>;
  constexpr auto least = clock::duration::min(), longest = clock::duration::max();
  auto const about = std::chrono::duration_cast<seconds>(d);
  if (about <= std::chrono::duration_cast<seconds>(least)) return least;
  if (about >= std::chrono::duration_cast<seconds>(longest)) return longest;
  return std::chrono::ceil<clock::duration>(d);
}

/// now + d, held at the clock's end: a sleep of centuries does not wrap into the past.
template <class Rep, class Period>
clock::time_point deadline_after(std::chrono::duration<Rep, Period> d) noexcept {
  auto const now = clock::now();
  if (d <= d.zero()) return now;
  using seconds = std::chrono::duration<double>;
  auto const left = clock::time_point::max() - std::max(now, clock::time_point{});
  if (std::chrono::duration_cast<seconds>(d) >= std::chrono::duration_cast<seconds>(left))
    return clock::time_point::max();
  return now + std::chrono::ceil<clock::duration>(d);
}

}  // namespace detail
}  // namespace weft
