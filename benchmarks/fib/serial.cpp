#include "fib/problem.hpp"
#include "support/bench.hpp"

namespace {

// As the compiler makes it: both g++ and clang turn the second call into a loop, so that half of the calls are gone.
[[gnu::noinline]] long fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

// Every call is made, as it is where a library stands between.
#if defined(__clang__)
[[gnu::noinline, clang::disable_tail_calls]]
#else
[[gnu::noinline, gnu::optimize("no-optimize-sibling-calls")]]
#endif
long fib_of_calls(int n) {
  return n < 2 ? n : fib_of_calls(n - 1) + fib_of_calls(n - 2);
}

template <long (*Fib)(int), int N>
void serial(benchmark::State& state) {
  for (auto _ : state) {
    int n = N;
    benchmark::DoNotOptimize(n);
    bench::expect(Fib(n), bench::fib::answer(N));
  }
  bench::count_items(state, bench::fib::calls(N));
}
BENCHMARK(serial<fib, 30>)->Name("fib30/serial")->UseRealTime();
BENCHMARK(serial<fib, 36>)->Name("fib36/serial")->UseRealTime();
BENCHMARK(serial<fib_of_calls, 36>)->Name("fib36/serial calls")->UseRealTime();

}  // namespace
