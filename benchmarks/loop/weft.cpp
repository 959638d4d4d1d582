#include "support/weft.hpp"

#include "loop/problem.hpp"

namespace {

using namespace bench::loop;

template <class Problem>
void with_weft(benchmark::State& state) {
  Problem problem;
  bench::pool_of pool(state);
  pool.measure(state, [&problem] {
    weft::parallel_for(std::size_t{0}, Problem::size, [&problem](std::size_t i) { problem.body(i); });
    benchmark::ClobberMemory();
  });
  problem.check(state.iterations());
}
BENCHMARK(with_weft<tiny<10>>)->Name("loop_10/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<tiny<1000>>)->Name("loop_1000/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<saxpy>)->Name("saxpy_1M/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<compute>)->Name("compute_1M/weft")->Apply(bench::each_worker_count);

}  // namespace
