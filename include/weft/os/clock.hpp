// The clock of every deadline in weft.
#pragma once

#include <chrono>

namespace weft {

/// Monotonic, nanoseconds, never set back.
using clock = std::chrono::steady_clock;

namespace detail {

/// now + d, held at the clock's end: a sleep of centuries does not wrap into the past.
template <class Rep, class Period>
clock::time_point deadline_after(std::chrono::duration<Rep, Period> d) noexcept {
  auto const now = clock::now();
  if (d <= d.zero()) return now;
  using seconds = std::chrono::duration<double>;
  auto const left = clock::time_point::max() - now;
  if (std::chrono::duration_cast<seconds>(d) >= std::chrono::duration_cast<seconds>(left)) return clock::time_point::max();
  return now + std::chrono::ceil<clock::duration>(d);
}

}  // namespace detail
}  // namespace weft
