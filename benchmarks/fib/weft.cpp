#include "support/weft.hpp"

#include "fib/problem.hpp"

namespace {

[[gnu::noinline]] long fib(int n) {
  if (n < 2) return n;
  auto [a, b] = weft::fork_join([n] { return fib(n - 1); }, [n] { return fib(n - 2); });
  return a + b;
}

template <int N>
void with_weft(benchmark::State& state) {
  bench::pool_of pool(state);
  pool.measure(state, [] {
    int n = N;
    benchmark::DoNotOptimize(n);
    bench::expect(fib(n), bench::fib::answer(N));
  });
  bench::count_items(state, bench::fib::calls(N));
}
BENCHMARK(with_weft<30>)->Name("fib30/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<36>)->Name("fib36/weft")->Apply(bench::each_worker_count);

}  // namespace
