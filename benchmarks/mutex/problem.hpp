// A counter behind a mutex: one that counts alone, two that contend, a thousand, and a thousand of which each holds the mutex while
// it gives way once, so that all the others stand in the queue. An item is a lock, a count and an unlock.
// bench_smoke: --benchmark_filter=few|uncontended
#pragma once

#include <cstdint>

namespace bench::mutex {

/// Counts in all, shared evenly by those who count.
inline constexpr int counts = 1'000'000, few_counts = 10'000;

constexpr std::int64_t answer(int count) { return count; }

}  // namespace bench::mutex
