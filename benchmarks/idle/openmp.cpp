#include "support/openmp.hpp"

#include "idle/problem.hpp"

namespace {

void with_openmp(benchmark::State& state) {
  omp_set_dynamic(0);
  omp_set_num_threads(static_cast<int>(bench::workers(state)));
  std::atomic<int> count{0};
#pragma omp parallel for
  for (int i = 0; i < bench::idle::bodies; ++i) bench::idle::body(count);
  bench::expect(count.load(), bench::idle::bodies);
  bench::idle::measure(state);
  omp_pause_resource_all(omp_pause_soft);
}
BENCHMARK(with_openmp)->Name("idle_cpu_5s/OpenMP")->Apply(bench::idle::each_worker_count);

}  // namespace
