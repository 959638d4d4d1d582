// Read, transform in parallel, add up in order: a million words of eight bytes, where the price of an item is what counts; 4000 blocks that take
// 20 µs each; and 100,000 items of half a microsecond between the two.
// bench_smoke: --benchmark_filter=(words|blocks)/(weft|serial)
#pragma once

#include "support/bench.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace bench::pipeline {

struct word {};   // tiny
struct line {};   // about 0.5 µs
struct block {};  // about 20 µs

template <class Size>
inline constexpr std::uint64_t items = 0;
template <>
inline constexpr std::uint64_t items<word> = 1'000'000;
template <>
inline constexpr std::uint64_t items<line> = 100'000;
template <>
inline constexpr std::uint64_t items<block> = 4'000;

template <class Size>
inline constexpr int rounds = 1;
template <>
inline constexpr int rounds<line> = 250;
template <>
inline constexpr int rounds<block> = 10'000;

/// The source: numbers, one after the other.
template <class Size>
class reader {
 public:
  std::optional<std::uint64_t> operator()() noexcept {
    if (next_ == items<Size>) return std::nullopt;
    return next_++;
  }

 private:
  std::uint64_t next_ = 0;
};

/// The transformation: a multiplication chain, which takes about 2 ns a round.
template <class Size>
std::uint64_t transform(std::uint64_t x) noexcept {
  for (int i = 0; i < rounds<Size>; ++i) x = (x ^ (x >> 29)) * 0x9E3779B97F4A7C15u + 1;
  return x;
}

/// The sink: a checksum that depends on the order.
class checksum {
 public:
  void operator()(std::uint64_t x) noexcept { sum_ = sum_ * 31 + x; }
  std::uint64_t get() const noexcept { return sum_; }

 private:
  std::uint64_t sum_ = 0;
};

template <class Size>
std::uint64_t in_a_loop() {
  reader<Size> read;
  checksum sum;
  while (auto x = read()) sum(transform<Size>(*x));
  return sum.get();
}

template <class Size>
std::uint64_t answer() {
  static auto const known = in_a_loop<Size>();
  return known;
}

}  // namespace bench::pipeline
