#include "support/openmp.hpp"

#include "spawn/problem.hpp"

namespace {

using namespace bench::spawn;

void with_openmp(benchmark::State& state) {
  marks m(many);
  bench::measure_with_team(state, [&] {
#pragma omp parallel
#pragma omp single
    {
      for (std::size_t i = 0; i < many; ++i) {
#pragma omp task shared(m) firstprivate(i)
        m.set(i);
      }
#pragma omp taskwait
    }
    state.PauseTiming();
    m.expect_all_set_once();
    state.ResumeTiming();
  });
  bench::count_items(state, many);
}
BENCHMARK(with_openmp)->Name("spawn_scope_1M/OpenMP")->Apply(bench::each_worker_count);

}  // namespace
