#include "support/openmp.hpp"

#include "nested/problem.hpp"

namespace {

using namespace bench::nested;

template <class Problem>
void with_openmp(benchmark::State& state) {
  Problem problem;
  bench::measure_with_team(state, [&problem] {
  // Regions in regions would start threads in threads: OpenMP makes one loop of two instead.
#pragma omp parallel for collapse(2) schedule(static)
    for (std::size_t i = 0; i < Problem::outer; ++i)
      for (std::size_t k = 0; k < Problem::inner; ++k) problem.element(i, k);
    benchmark::ClobberMemory();
  });
  problem.check();
}
BENCHMARK(with_openmp<few_long>)->Name("nested_4x250k/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<many_short>)->Name("nested_1000x1000/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<tiny>)->Name("nested_100kx10/OpenMP")->Apply(bench::each_worker_count);

}  // namespace
