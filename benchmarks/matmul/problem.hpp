// matmul: the product of two square matrices of floats, divided into quadrants down to blocks of 32 by 32: four products at a
// time, twice, each of the four a fork. An item is a multiplication of two numbers.
// bench_smoke: --benchmark_filter=matmul128
#pragma once

#include "support/bench.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::matmul {

inline constexpr std::size_t block = 32;

/// A square part of a matrix: `size` rows and columns, the rows `stride` numbers apart.
struct square {
  float* first;
  std::size_t size;
  std::size_t stride;

  [[nodiscard]] float* row(std::size_t i) const { return first + i * stride; }

  /// Rows and columns of one half each: the first (0) or the second (1).
  [[nodiscard]] square quadrant(std::size_t i, std::size_t j) const {
    return {row(i * size / 2) + j * size / 2, size / 2, stride};
  }
};

/// c += a * b of one block. Not inlined: everybody is to run the same code.
[[gnu::noinline]] inline void multiply_block(square a, square b, square c) {
  for (std::size_t i = 0; i < block; ++i) {
    // A row of the product in registers.
    std::array<float, block> sums;
    std::copy_n(c.row(i), block, sums.begin());
    for (std::size_t k = 0; k < block; ++k) {
      float const factor = a.row(i)[k];
      float const* const others = b.row(k);
      for (std::size_t j = 0; j < block; ++j) sums[j] += factor * others[j];
    }
    std::copy_n(sums.begin(), block, c.row(i));
  }
}

/// Two matrices whose product is known, and room for it. Whole numbers, small enough that floats are exact.
class problem {
 public:
  explicit problem(std::size_t size) : size_(size), a_(size * size), b_(size * size), c_(size * size) {
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        a_[i * size + j] = of_a(i, j);
        b_[i * size + j] = of_b(i, j);
      }
    }
    for (std::size_t i = 0; i < period_a; ++i) {
      for (std::size_t j = 0; j < period_b; ++j)
        for (std::size_t k = 0; k < size; ++k) answers_[i][j] += of_a(i, k) * of_b(k, j);
    }
  }

  /// Calls f(a, b, c), which is to add a * b to the c of zeros; only f is timed.
  template <class F>
  void measure(benchmark::State& state, F&& f) {
    state.PauseTiming();
    std::fill(c_.begin(), c_.end(), 0.0f);
    state.ResumeTiming();
    f(square{a_.data(), size_, size_}, square{b_.data(), size_, size_}, square{c_.data(), size_, size_});
    state.PauseTiming();
    for (std::size_t i = 0; i < size_; ++i) {
      for (std::size_t j = 0; j < size_; ++j) expect(c_[i * size_ + j], answers_[i % period_a][j % period_b]);
    }
    state.ResumeTiming();
  }

  [[nodiscard]] std::int64_t multiplications() const { return static_cast<std::int64_t>(size_ * size_ * size_); }

 private:
  static constexpr std::size_t period_a = 7, period_b = 5;
  static float of_a(std::size_t i, std::size_t k) { return static_cast<float>((i + k) % period_a); }
  static float of_b(std::size_t k, std::size_t j) { return static_cast<float>((k + 2 * j) % period_b); }

  std::size_t size_;
  std::vector<float> a_, b_, c_;
  std::array<std::array<float, period_b>, period_a> answers_{};
};

}  // namespace bench::matmul
