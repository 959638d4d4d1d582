// A million tasks that sleep for a random 0.5 to 1.5 s each. The time shown is the wall time beyond 1.5 s, which it takes anyway;
// beside it the CPU time, and the memory of a sleeping task.
// bench_smoke: --benchmark_filter=sleep_1k
#pragma once

#include "support/bench.hpp"

#include <chrono>
#include <cstddef>
#include <random>
#include <vector>

namespace bench::sleep {

using nanoseconds = std::chrono::nanoseconds;

inline constexpr nanoseconds shortest = std::chrono::milliseconds(500), longest = std::chrono::milliseconds(1500);

/// How long each task sleeps. One of them sleeps for the longest.
inline std::vector<nanoseconds> lengths(std::size_t count) {
  std::mt19937_64 random(42);
  std::uniform_int_distribution<nanoseconds::rep> length(shortest.count(), longest.count());
  std::vector<nanoseconds> all(count);
  for (auto& l : all) l = nanoseconds(length(random));
  all[0] = longest;
  return all;
}

}  // namespace bench::sleep
