#include "support/weft.hpp"

#include "nested/problem.hpp"

namespace {

using namespace bench::nested;

template <class Problem>
void with_weft(benchmark::State& state) {
  Problem problem;
  bench::pool_of pool(state);
  pool.measure(state, [&problem] {
    weft::parallel_for(std::size_t{0}, Problem::outer, [&problem](std::size_t i) {
      weft::parallel_for(std::size_t{0}, Problem::inner, [&problem, i](std::size_t k) { problem.element(i, k); });
    });
    benchmark::ClobberMemory();
  });
  problem.check();
}
BENCHMARK(with_weft<few_long>)->Name("nested_4x250k/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<many_short>)->Name("nested_1000x1000/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<tiny>)->Name("nested_100kx10/weft")->Apply(bench::each_worker_count);

}  // namespace
