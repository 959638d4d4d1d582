#include "support/weft.hpp"

#include "pipeline/problem.hpp"

namespace {

using namespace bench::pipeline;

template <class Size>
void with_weft(benchmark::State& state) {
  auto const known = answer<Size>();
  bench::pool_of pool(state);
  pool.measure(state, [known] {
    benchmark::ClobberMemory();
    checksum sum;
    weft::pipeline(reader<Size>()) | weft::parallel(0, transform<Size>) | weft::into(sum);
    bench::expect(sum.get(), known);
  });
  bench::count_items(state, items<Size>);
}
BENCHMARK(with_weft<word>)->Name("pipeline_words/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<line>)->Name("pipeline_lines/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<block>)->Name("pipeline_blocks/weft")->Apply(bench::each_worker_count);

}  // namespace
