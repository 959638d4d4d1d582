// A million bodies of computing, dealt out unevenly: element i of a loop has i of them, or as many as a power law gives it,
// the first element the most, or the last.
// bench_smoke: --benchmark_filter=/(weft|serial)
#pragma once

#include "support/bench.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::uneven_loop {

/// Eight steps, each of which needs the one before.
inline std::uint64_t body(std::uint64_t x) noexcept {
  for (std::uint64_t k = 0; k < 8; ++k) {
    x ^= x >> 29;
    x = x * 0x9E3779B97F4A7C15u + k;
  }
  return x;
}

/// Bodies(i) of them for each of Size elements, one after the other.
template <std::size_t Size, auto Bodies>
class uneven {
 public:
  static constexpr std::size_t size = Size;
  uneven() { benchmark::DoNotOptimize(seed_); }

  void element(std::size_t i) noexcept { results_[i] = value(i); }

  void check() const {
    static auto const expected = [this] {
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < size; ++i) sum += value(i);
      return sum;
    }();
    std::uint64_t sum = 0;
    for (auto const r : results_) sum += r;
    expect(sum, expected);
  }

 private:
  std::uint64_t value(std::size_t i) const noexcept {
    std::uint64_t x = seed_ + i;
    for (std::size_t n = Bodies(i); n != 0; --n) x = body(x);
    return x;
  }

  std::uint64_t seed_ = 0xD1B54A32D192ED03u;
  std::vector<std::uint64_t> results_ = std::vector<std::uint64_t>(size);
};

// 998,991; 1,004,976 both ways: the heaviest element has a tenth of all.
using triangle = uneven<1413, [](std::size_t i) { return i + 1; }>;
using power_law = uneven<20'000, [](std::size_t i) { return 95'000 / (i + 1) + 1; }>;
using power_law_last = uneven<20'000, [](std::size_t i) { return 95'000 / (20'000 - i) + 1; }>;

}  // namespace bench::uneven_loop
