#include "support/tbb.hpp"

#include "reduce/problem.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>

#include <functional>
#include <numeric>

namespace {

using namespace bench::reduce;

template <std::size_t Size>
void with_tbb(benchmark::State& state) {
  auto const& all = values<Size>();
  using range = tbb::blocked_range<double const*>;
  bench::measure_in_arena(state, [&all] {
    benchmark::ClobberMemory();
    auto const sum = tbb::parallel_reduce(
        range(all.data(), all.data() + Size), 0.0,
        [](range const& r, double before) { return std::reduce(r.begin(), r.end(), before); }, std::plus<>{});
    bench::expect(sum, answer<Size>);
  });
}
BENCHMARK(with_tbb<few>)->Name("reduce_100k/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<many>)->Name("reduce_16M/TBB")->Apply(bench::each_worker_count);

}  // namespace
