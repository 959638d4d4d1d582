#include "pipeline/problem.hpp"

namespace {

using namespace bench::pipeline;

template <class Size>
void in_a_loop_alone(benchmark::State& state) {
  auto const known = answer<Size>();
  for (auto _ : state) {
    benchmark::ClobberMemory();
    bench::expect(in_a_loop<Size>(), known);
  }
  bench::count_items(state, items<Size>);
}
BENCHMARK(in_a_loop_alone<word>)->Name("pipeline_words/serial")->UseRealTime();
BENCHMARK(in_a_loop_alone<line>)->Name("pipeline_lines/serial")->UseRealTime();
BENCHMARK(in_a_loop_alone<block>)->Name("pipeline_blocks/serial")->UseRealTime();

}  // namespace
