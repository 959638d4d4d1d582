#include "support/weft.hpp"

#include "reduce/problem.hpp"

namespace {

using namespace bench::reduce;

template <std::size_t Size>
void with_weft(benchmark::State& state) {
  auto const& all = values<Size>();
  bench::pool_of pool(state);
  pool.measure(state, [&all] {
    benchmark::ClobberMemory();
    bench::expect(weft::parallel_reduce(all, 0.0), answer<Size>);
  });
}
BENCHMARK(with_weft<few>)->Name("reduce_100k/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<many>)->Name("reduce_16M/weft")->Apply(bench::each_worker_count);

// A case of its own, whose rival is the free reduction.
template <std::size_t Size>
void reproducibly(benchmark::State& state) {
  auto const& all = values<Size>();
  bench::pool_of pool(state);
  pool.measure(state, [&all] {
    benchmark::ClobberMemory();
    bench::expect(weft::parallel_reduce(weft::reproducible, all, 0.0), answer<Size>);
  });
}
BENCHMARK(reproducibly<few>)->Name("reduce_100k_reproducible/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<few>)->Name("reduce_100k_reproducible/free")->Apply(bench::each_worker_count);
BENCHMARK(reproducibly<many>)->Name("reduce_16M_reproducible/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<many>)->Name("reduce_16M_reproducible/free")->Apply(bench::each_worker_count);

}  // namespace
