// Loops over indices: too small to be shared, bound by memory, and of plain computing.
// bench_smoke: --benchmark_filter=/(weft|serial)
#pragma once

#include "support/bench.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

// A problem has a size, a body for each index, and a check of what all iterations together have left.
namespace bench::loop {

template <std::size_t Size>
class tiny {
 public:
  static constexpr std::size_t size = Size;
  void body(std::size_t i) noexcept { values_[i] += static_cast<std::uint32_t>(i); }
  void check(std::int64_t iterations) const {
    for (std::size_t i = 0; i < size; ++i)
      expect(values_[i], static_cast<std::uint32_t>(i * static_cast<std::uint64_t>(iterations)));
  }

 private:
  std::vector<std::uint32_t> values_ = std::vector<std::uint32_t>(size);
};

class saxpy {
 public:
  static constexpr std::size_t size = 1'000'000;
  saxpy() : x_(size), y_(size) {
    for (std::size_t i = 0; i < size; ++i) x_[i] = static_cast<float>(i % 7);
  }
  void body(std::size_t i) noexcept { y_[i] = 0.5f * x_[i] + y_[i]; }
  // Halves of small integers: exact.
  void check(std::int64_t iterations) const {
    for (std::size_t i = 0; i < size; ++i) expect(y_[i], static_cast<float>(iterations) * 0.5f * x_[i]);
  }

 private:
  std::vector<float> x_, y_;
};

inline std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 29;
  return x * 0x9E3779B97F4A7C15u;
}

/// Eight steps of dependent computing for each index.
template <std::size_t Size>
class computing {
 public:
  static constexpr std::size_t size = Size;
  // The compiler does not know where the numbers begin: it would compute part of them before the loop.
  computing() { benchmark::DoNotOptimize(seed_); }
  void body(std::size_t i) noexcept { results_[i] = value(i); }
  void check(std::int64_t) const {
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
    for (std::size_t round = 0; round < 8; ++round) x = mix(x + round);
    return x;
  }

  std::uint64_t seed_ = 0xD1B54A32D192ED03u;
  std::vector<std::uint64_t> results_ = std::vector<std::uint64_t>(size);
};

using compute = computing<1'000'000>;

}  // namespace bench::loop
