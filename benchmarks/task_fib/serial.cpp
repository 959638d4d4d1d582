#include "support/bench.hpp"
#include "task_fib/problem.hpp"

namespace {

[[gnu::noinline]] long fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

void serial(benchmark::State& state) {
  for (auto _ : state) {
    int n = 30;
    benchmark::DoNotOptimize(n);
    bench::expect(fib(n), bench::fib::answer(30));
  }
  bench::count_items(state, bench::fib::calls(30));
}
BENCHMARK(serial)->Name("task_fib30/serial")->UseRealTime();

}  // namespace
