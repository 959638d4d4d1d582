#include "scan/problem.hpp"
#include "support/tbb.hpp"

#include <execution>
#include <numeric>

namespace {

using namespace bench::scan;

// libstdc++ runs it on TBB, in the arena that it finds.
template <class T, std::size_t Size>
void with_std_par(benchmark::State& state) {
  auto& all = numbers<T, Size>::shared();
  bench::measure_in_arena(state, [&all] {
    benchmark::ClobberMemory();
    std::inclusive_scan(std::execution::par, all.from.begin(), all.from.end(), all.to.begin());
    all.check();
  });
}
BENCHMARK(with_std_par<double, few>)->Name("scan_100k/std::par")->Apply(bench::each_worker_count);
BENCHMARK(with_std_par<double, many>)->Name("scan_16M/std::par")->Apply(bench::each_worker_count);
BENCHMARK(with_std_par<std::uint32_t, many>)->Name("scan_16M_u32/std::par")->Apply(bench::each_worker_count);

}  // namespace
