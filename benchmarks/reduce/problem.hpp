// The sum of many doubles: 100,000, which fit a cache and are hardly worth sharing, and 16 million, which memory bounds.
// bench_smoke: --benchmark_filter=100k/(weft|serial)
#pragma once

#include "support/bench.hpp"

#include <cstddef>
#include <vector>

namespace bench::reduce {

inline constexpr std::size_t few = 100'000, many = 16'000'000;

/// Quarters of small integers: their sum is exact, in whatever order it is taken.
template <std::size_t Size>
std::vector<double> const& values() {
  static auto const made = [] {
    std::vector<double> v(Size);
    for (std::size_t i = 0; i < Size; ++i) v[i] = static_cast<double>(i % 1000) * 0.25;
    return v;
  }();
  return made;
}

template <std::size_t Size>
inline constexpr double answer = static_cast<double>(Size / 1000) * (999.0 * 1000.0 / 2) * 0.25;

}  // namespace bench::reduce
