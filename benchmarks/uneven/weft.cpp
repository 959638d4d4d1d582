#include "support/weft.hpp"

#include "uneven/problem.hpp"

namespace {

using namespace bench::uneven_loop;

template <class Problem>
void with_weft(benchmark::State& state) {
  Problem problem;
  bench::pool_of pool(state);
  pool.measure(state, [&problem] {
    weft::parallel_for(std::size_t{0}, Problem::size, [&problem](std::size_t i) { problem.element(i); });
    benchmark::ClobberMemory();
  });
  problem.check();
}
BENCHMARK(with_weft<triangle>)->Name("triangular_1M/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<power_law>)->Name("power_law_1M/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<power_law_last>)->Name("power_law_last_1M/weft")->Apply(bench::each_worker_count);

}  // namespace
