#include "support/openmp.hpp"

#include "uneven/problem.hpp"

namespace {

using namespace bench::uneven_loop;

template <class Problem>
void with_openmp(benchmark::State& state) {
  Problem problem;
  bench::measure_with_team(state, [&problem] {
#pragma omp parallel for schedule(dynamic, 8)
    for (std::size_t i = 0; i < Problem::size; ++i) problem.element(i);
    benchmark::ClobberMemory();
  });
  problem.check();
}
BENCHMARK(with_openmp<triangle>)->Name("triangular_1M/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<power_law>)->Name("power_law_1M/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<power_law_last>)->Name("power_law_last_1M/OpenMP")->Apply(bench::each_worker_count);

}  // namespace
