#include "support/openmp.hpp"

#include "scan/problem.hpp"

#include <numeric>
#include <vector>

namespace {

using namespace bench::scan;

// Two passes: each thread adds up its part, then scans it behind the sums of those before. OpenMP's own `reduction(inscan)` is not
// parallel in either compiler's loops without simd.
template <class T, std::size_t Size>
void with_openmp(benchmark::State& state) {
  auto& all = numbers<T, Size>::shared();
  std::vector<T> sums(bench::workers(state) + 1);
  bench::measure_with_team(state, [&] {
    benchmark::ClobberMemory();
#pragma omp parallel
    {
      auto const thread = static_cast<std::size_t>(omp_get_thread_num()),
                 threads = static_cast<std::size_t>(omp_get_num_threads());
      auto const first = Size * thread / threads, last = Size * (thread + 1) / threads;
      auto const* const from = all.from.data();
      if (thread + 1 != threads) sums[thread + 1] = std::reduce(from + first, from + last, T{});
#pragma omp barrier
      std::inclusive_scan(from + first, from + last, all.to.data() + first, std::plus<>{},
                          std::reduce(sums.data() + 1, sums.data() + thread + 1, T{}));
    }
    all.check();
  });
}
BENCHMARK(with_openmp<double, few>)->Name("scan_100k/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<double, many>)->Name("scan_16M/OpenMP")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<std::uint32_t, many>)->Name("scan_16M_u32/OpenMP")->Apply(bench::each_worker_count);

}  // namespace
