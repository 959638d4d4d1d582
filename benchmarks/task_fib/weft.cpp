#include "support/weft.hpp"

#include "task_fib/problem.hpp"

namespace {

weft::task<long> fib(int n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await weft::when_all(fib(n - 1), fib(n - 2));
  co_return a + b;
}

template <int N>
void with_weft(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) bench::expect(pool->run(fib, N), bench::fib::answer(N));
  bench::count_items(state, bench::fib::calls(N));
}
BENCHMARK(with_weft<20>)->Name("task_fib20/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<30>)->Name("task_fib30/weft")->Apply(bench::each_worker_count);

}  // namespace
