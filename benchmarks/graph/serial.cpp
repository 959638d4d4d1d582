#include "graph/problem.hpp"

namespace {

using namespace bench::graph;

// The same cells in an order that fits, from a table of their results: what the functions and their data cost.
template <class Wave>
void wave_in_a_loop(benchmark::State& state) {
  std::vector<value> cells(Wave::nodes);
  for (auto _ : state) {
    for (std::size_t r = 0; r < Wave::side; ++r)
      for (std::size_t c = 0; c < Wave::side; ++c) {
        auto const i = r * Wave::side + c;
        cells[i] = Wave::cell(c == 0 ? 0 : cells[i - 1], r == 0 ? 0 : cells[i - Wave::side]);
      }
    bench::expect(cells.back(), Wave::answer());
    benchmark::ClobberMemory();
  }
  bench::count_items(state, Wave::nodes);
}
BENCHMARK(wave_in_a_loop<tiny_wave>)->Name("graph_wave/serial")->UseRealTime();
BENCHMARK(wave_in_a_loop<slow_wave>)->Name("graph_wave_5us/serial")->UseRealTime();

void layers_in_a_loop(benchmark::State& state) {
  constexpr auto width = layers::width;
  std::vector<value> nodes(layers::depth * width);
  auto const& edges = layers::edges();
  for (auto _ : state) {
    for (std::size_t i = 0; i < width; ++i) nodes[i] = i;
    for (std::size_t i = width; i < nodes.size(); ++i) {
      value const* const before = &nodes[i / width * width - width];
      nodes[i] = layers::node(before[edges[i][0]], before[edges[i][1]], before[edges[i][2]]);
    }
    value sum = 0;
    for (std::size_t i = nodes.size() - width; i < nodes.size(); ++i) sum += nodes[i];
    bench::expect(sum, layers::answer());
    benchmark::ClobberMemory();
  }
  bench::count_items(state, layers::nodes);
}
BENCHMARK(layers_in_a_loop)->Name("graph_layers/serial")->UseRealTime();

}  // namespace
