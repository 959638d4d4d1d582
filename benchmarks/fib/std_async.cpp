#include "fib/problem.hpp"
#include "support/bench.hpp"

#include <future>

namespace {

long fib(int n) {
  if (n < 2) return n;
  auto a = std::async(std::launch::async, fib, n - 1);
  long const b = fib(n - 2);
  return a.get() + b;
}

// A thread for every second call: a tiny fib, compared per call.
void with_async(benchmark::State& state) {
  for (auto _ : state) bench::expect(fib(10), bench::fib::answer(10));
  bench::count_items(state, bench::fib::calls(10));
}
BENCHMARK(with_async)->Name("fib36/std::async")->UseRealTime();

}  // namespace
