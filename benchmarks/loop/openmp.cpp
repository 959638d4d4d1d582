#include "support/openmp.hpp"

#include "loop/problem.hpp"

namespace {

using namespace bench::loop;

template <class Problem>
void with_openmp(benchmark::State& state) {
  Problem problem;
  bench::measure_with_team(state, [&problem] {
#pragma omp parallel for schedule(static)
    for (std::size_t i = 0; i < Problem::size; ++i) problem.body(i);
    benchmark::ClobberMemory();
  });
  problem.check(state.iterations());
}
BENCHMARK(with_openmp<tiny<10>>)->Name("loop_10/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<tiny<1000>>)->Name("loop_1000/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<saxpy>)->Name("saxpy_1M/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<compute>)->Name("compute_1M/OpenMP")->Apply(bench::each_worker_count);

}  // namespace
