#include "support/openmp.hpp"

#include "skynet/problem.hpp"

namespace {

using bench::skynet::fan;

long tree(long first, long leaves) {
  if (leaves == 1) return first;
  long const each = leaves / fan;
  long sums[fan];
  for (long i = 0; i < fan; ++i) {
#pragma omp task shared(sums) firstprivate(i)
    sums[i] = tree(first + i * each, each);
  }
#pragma omp taskwait
  long sum = 0;
  for (long const s : sums) sum += s;
  return sum;
}

template <long Leaves>
void with_openmp(benchmark::State& state) {
  bench::measure_with_team(state, [] {
    long answer = 0;
#pragma omp parallel
#pragma omp single
    answer = tree(0, Leaves);
    bench::expect(answer, bench::skynet::answer(Leaves));
  });
  bench::count_items(state, Leaves);
}
BENCHMARK(with_openmp<10'000>)->Name("skynet_10k/OpenMP tasks")->Apply(bench::each_worker_count);
// A smaller tree, so that a run does not take minutes where threads contend: the report compares times per leaf.
BENCHMARK(with_openmp<100'000>)->Name("skynet_1M/OpenMP tasks")->Apply(bench::each_worker_count);

}  // namespace
