#include "support/tbb.hpp"

#include "pipeline/problem.hpp"

#include <tbb/parallel_pipeline.h>

namespace {

using namespace bench::pipeline;

template <class Size>
void with_tbb(benchmark::State& state) {
  auto const known = answer<Size>();
  bench::measure_in_arena(state, [&state, known] {
    reader<Size> read;
    checksum sum;
    tbb::parallel_pipeline(4 * bench::workers(state),
                           tbb::make_filter<void, std::uint64_t>(tbb::filter_mode::serial_in_order,
                                                                 [&read](tbb::flow_control& control) -> std::uint64_t {
                                                                   auto const x = read();
                                                                   if (x) return *x;
                                                                   control.stop();
                                                                   return 0;
                                                                 }) &
                               tbb::make_filter<std::uint64_t, std::uint64_t>(
                                   tbb::filter_mode::parallel, [](std::uint64_t x) { return transform<Size>(x); }) &
                               tbb::make_filter<std::uint64_t, void>(tbb::filter_mode::serial_in_order,
                                                                     [&sum](std::uint64_t x) { sum(x); }));
    bench::expect(sum.get(), known);
  });
  bench::count_items(state, items<Size>);
}
BENCHMARK(with_tbb<word>)->Name("pipeline_words/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<line>)->Name("pipeline_lines/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<block>)->Name("pipeline_blocks/TBB")->Apply(bench::each_worker_count);

}  // namespace
