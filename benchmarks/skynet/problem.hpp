// skynet: a tree of tasks, each of which starts ten others, down to a million leaves; every leaf gives its own number, every other
// the sum of its ten. Each child is a fork of its own, leaves too: there is nothing in it but the starting and joining of tasks.
// Source: https://github.com/atemerev/skynet (2016). An item is a leaf.
// bench_smoke: --benchmark_filter=skynet_(10k|1M/(weft|serial))
#pragma once

namespace bench::skynet {

inline constexpr long fan = 10;

/// The sum of the numbers below `leaves`.
constexpr long answer(long leaves) { return leaves * (leaves - 1) / 2; }

}  // namespace bench::skynet
