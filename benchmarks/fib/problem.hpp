// fib(n) by its recursion, every call a fork of two: what a fork and a join cost when nobody takes anything, and how they scale.
// An item is a call of fib.
// bench_smoke: --benchmark_filter=fib30/(weft|serial)
#pragma once

#include <cstdint>

namespace bench::fib {

/// fib(n), by adding.
constexpr long answer(int n) {
  long a = 0, b = 1;
  for (int i = 0; i < n; ++i) {
    long const next = a + b;
    a = b;
    b = next;
  }
  return a;
}

/// Calls that the recursion makes for fib(n), itself included.
constexpr std::int64_t calls(int n) { return 2 * answer(n + 1) - 1; }

}  // namespace bench::fib
