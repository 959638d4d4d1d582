// Loops in loops: few long ones, many short ones, and ones too short to be shared, all of a few nanoseconds an element.
// bench_smoke: --benchmark_filter=/(weft|serial)
#pragma once

#include "support/bench.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::nested {

/// Four steps for each element of a grid.
template <std::size_t Outer, std::size_t Inner>
class grid {
 public:
  static constexpr std::size_t outer = Outer, inner = Inner;
  grid() { benchmark::DoNotOptimize(seed_); }

  void element(std::size_t i, std::size_t k) noexcept { results_[i * Inner + k] = value(i, k); }

  void check() const {
    static auto const expected = [this] {
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < Outer; ++i)
        for (std::size_t k = 0; k < Inner; ++k) sum += value(i, k);
      return sum;
    }();
    std::uint64_t sum = 0;
    for (auto const r : results_) sum += r;
    expect(sum, expected);
  }

 private:
  std::uint64_t value(std::size_t i, std::size_t k) const noexcept {
    std::uint64_t x = seed_ + i * Inner + k;
    for (int step = 0; step < 4; ++step) {
      x ^= x >> 29;
      x *= 0x9E3779B97F4A7C15u;
    }
    return x;
  }

  std::uint64_t seed_ = 0xD1B54A32D192ED03u;
  std::vector<std::uint64_t> results_ = std::vector<std::uint64_t>(Outer * Inner);
};

using few_long = grid<4, 250'000>;
using many_short = grid<1000, 1000>;
using tiny = grid<100'000, 10>;

}  // namespace bench::nested
