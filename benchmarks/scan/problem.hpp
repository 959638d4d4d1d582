// The running sums of many numbers: 100,000 doubles, which fit a cache, and 16 million doubles or 32-bit integers, which memory bounds;
// a copy of as many beside them shows where that bound is.
// bench_smoke: --benchmark_filter=100k/(weft|serial)
#pragma once

#include "support/bench.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::scan {

inline constexpr std::size_t few = 100'000, many = 16'000'000;

/// Input, output and what the output must be. Numbers are small: every sum is exact, however it is grouped.
template <class T, std::size_t Size>
struct numbers {
  std::vector<T> from, to;

  static numbers& shared() {
    static numbers all;
    return all;
  }

  /// Looks at some of the sums, the first and the last among them.
  void check() const {
    for (std::size_t i = 0; i < Size; i += Size / 10) expect_sum(i);
    expect_sum(Size - 1);
  }

 private:
  numbers() : from(Size), to(Size) {
    for (std::size_t i = 0; i < Size; ++i) from[i] = static_cast<T>(i % 100);
  }
  void expect_sum(std::size_t i) const {
    auto const whole = (i + 1) / 100, rest = (i + 1) % 100;
    expect(to[i], static_cast<T>(whole * 4950 + rest * (rest - 1) / 2));
  }
};

}  // namespace bench::scan
