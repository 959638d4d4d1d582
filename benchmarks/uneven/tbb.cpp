#include "support/tbb.hpp"

#include "uneven/problem.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

namespace {

using namespace bench::uneven_loop;

template <class Problem>
void with_tbb(benchmark::State& state) {
  Problem problem;
  bench::measure_in_arena(state, [&problem] {
    tbb::parallel_for(tbb::blocked_range<std::size_t>(0, Problem::size),
                      [&problem](tbb::blocked_range<std::size_t> const& range) {
                        for (auto i = range.begin(); i != range.end(); ++i) problem.element(i);
                      });
    benchmark::ClobberMemory();
  });
  problem.check();
}
BENCHMARK(with_tbb<triangle>)->Name("triangular_1M/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<power_law>)->Name("power_law_1M/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<power_law_last>)->Name("power_law_last_1M/TBB")->Apply(bench::each_worker_count);

}  // namespace
