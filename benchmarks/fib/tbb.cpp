#include "support/tbb.hpp"

#include "fib/problem.hpp"

#include <tbb/parallel_invoke.h>
#include <tbb/task_group.h>

namespace {

long by_invoke(int n) {
  if (n < 2) return n;
  long a = 0, b = 0;
  tbb::parallel_invoke([&a, n] { a = by_invoke(n - 1); }, [&b, n] { b = by_invoke(n - 2); });
  return a + b;
}

long by_group(int n) {
  if (n < 2) return n;
  long a = 0, b = 0;
  tbb::task_group both;
  both.run([&a, n] { a = by_group(n - 1); });
  b = by_group(n - 2);
  both.wait();
  return a + b;
}

template <long (*Fib)(int), int N>
void with_tbb(benchmark::State& state) {
  bench::measure_in_arena(state, [] { bench::expect(Fib(N), bench::fib::answer(N)); });
  bench::count_items(state, bench::fib::calls(N));
}
// A smaller fib, so that a run does not take seconds: the report compares times per call.
BENCHMARK(with_tbb<by_invoke, 30>)->Name("fib36/TBB parallel_invoke")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<by_group, 30>)->Name("fib36/TBB task_group")->Apply(bench::each_worker_count);

}  // namespace
