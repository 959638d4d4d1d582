#include "support/tbb.hpp"

#include "nested/problem.hpp"

#include <tbb/parallel_for.h>

namespace {

using namespace bench::nested;

template <class Problem>
void with_tbb(benchmark::State& state) {
  Problem problem;
  bench::measure_in_arena(state, [&problem] {
    tbb::parallel_for(std::size_t{0}, Problem::outer, [&problem](std::size_t i) {
      tbb::parallel_for(std::size_t{0}, Problem::inner, [&problem, i](std::size_t k) { problem.element(i, k); });
    });
    benchmark::ClobberMemory();
  });
  problem.check();
}
BENCHMARK(with_tbb<few_long>)->Name("nested_4x250k/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<many_short>)->Name("nested_1000x1000/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<tiny>)->Name("nested_100kx10/TBB")->Apply(bench::each_worker_count);

}  // namespace
