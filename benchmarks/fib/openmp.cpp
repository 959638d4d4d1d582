#include "support/openmp.hpp"

#include "fib/problem.hpp"

namespace {

long fib(int n) {
  if (n < 2) return n;
  long a = 0, b = 0;
#pragma omp task shared(a) firstprivate(n)
  a = fib(n - 1);
  b = fib(n - 2);
#pragma omp taskwait
  return a + b;
}

template <int N>
void with_openmp(benchmark::State& state) {
  bench::measure_with_team(state, [] {
    long answer = 0;
#pragma omp parallel
#pragma omp single
    answer = fib(N);
    bench::expect(answer, bench::fib::answer(N));
  });
  bench::count_items(state, bench::fib::calls(N));
}
// A smaller fib, so that a run does not take minutes: the report compares times per call.
BENCHMARK(with_openmp<25>)->Name("fib36/OpenMP tasks")->Apply(bench::each_worker_count);

}  // namespace
