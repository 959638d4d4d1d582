#include "support/openmp.hpp"

#include "reduce/problem.hpp"

#include <numeric>

namespace {

using namespace bench::reduce;

template <std::size_t Size>
void with_openmp(benchmark::State& state) {
  auto const& all = values<Size>();
  bench::measure_with_team(state, [&all] {
    benchmark::ClobberMemory();
    double sum = 0;
#pragma omp parallel reduction(+ : sum)
    {
      // A part for each thread: std::reduce adds faster than what `omp for simd` makes of a loop.
      auto const thread = static_cast<std::size_t>(omp_get_thread_num()),
                 threads = static_cast<std::size_t>(omp_get_num_threads());
      sum += std::reduce(all.data() + Size * thread / threads, all.data() + Size * (thread + 1) / threads, 0.0);
    }
    bench::expect(sum, answer<Size>);
  });
}
BENCHMARK(with_openmp<few>)->Name("reduce_100k/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<many>)->Name("reduce_16M/OpenMP")->Apply(bench::each_worker_count);

}  // namespace
