// primes: how many there are below a number, by Eratosthenes' sieve in pieces that fit into a cache, on all cores.
#pragma once

#include <weft/parallel/reduce.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ranges>
#include <vector>

namespace serve {

/// The odd primes below a number whose square is not below `below`.
inline std::vector<std::uint32_t> small_odd_primes(std::uint64_t below) {
  std::uint32_t end = 3;
  while (std::uint64_t{end} * end < below) ++end;
  std::vector<char> composite(end);
  std::vector<std::uint32_t> primes;
  for (std::uint32_t n = 3; n < end; n += 2) {
    if (composite[n]) continue;
    primes.push_back(n);
    for (std::uint64_t m = std::uint64_t{n} * n; m < end; m += n) composite[static_cast<std::size_t>(m)] = 1;
  }
  return primes;
}

/// A plain call, from a task or from anywhere; honours the task's stop.
inline std::uint64_t count_primes_below(std::uint64_t below) {
  if (below < 3) return 0;
  constexpr std::uint64_t piece = 256 * 1024;  // numbers; odd ones alone are kept, a byte each
  auto const primes = small_odd_primes(below);
  auto const count_in_piece = [&](std::uint64_t number) {
    auto const first = number * piece + 1, end = std::min(below, first - 1 + piece);
    std::vector<char> composite(static_cast<std::size_t>((end - first + 1) / 2));  // of first, first + 2, …
    for (std::uint64_t const p : primes) {
      if (p * p >= end) break;
      auto multiple = std::max(p * p, (first + p - 1) / p * p);
      if (multiple % 2 == 0) multiple += p;
      for (auto i = (multiple - first) / 2; i < composite.size(); i += p) composite[static_cast<std::size_t>(i)] = 1;
    }
    return static_cast<std::uint64_t>(std::ranges::count(composite, 0));
  };
  auto const pieces = (below + piece - 1) / piece;
  // In the first piece 1 was counted, which is no prime, and 2 was not, which is one.
  return weft::parallel_transform_reduce(std::views::iota(std::uint64_t{0}, pieces), std::uint64_t{0}, std::plus<>(),
                                         count_in_piece);
}

}  // namespace serve
