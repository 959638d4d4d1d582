// Ten million times in a row, a task awaits another that ends without waiting: the price of a co_await, and how far the stack
// grows meanwhile. An item is a co_await.
// bench_smoke: --benchmark_filter=100k
#pragma once

#include <cstdint>

namespace bench::await {

inline constexpr int few = 100'000, many = 10'000'000;

/// What the i-th gives.
inline std::int64_t value(int i) noexcept { return i ^ 1; }

constexpr std::int64_t answer(int count) { return std::int64_t{count} * (count - 1) / 2; }

}  // namespace bench::await
