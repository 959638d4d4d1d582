#include "support/weft.hpp"

#include "graph/problem.hpp"

namespace {

using namespace bench::graph;

template <class Wave>
void wave_with_weft(benchmark::State& state) {
  constexpr auto side = Wave::side;
  weft::graph g;
  std::vector<weft::node<value>> cells(Wave::nodes);
  for (std::size_t i = 0; i < Wave::nodes; ++i) {
    auto const r = i / side, c = i % side;
    if (r == 0 && c == 0) cells[i] = g.add([] { return Wave::cell(0, 0); });
    else if (r == 0) cells[i] = g.add([](value left) { return Wave::cell(left, 0); }, cells[i - 1]);
    else if (c == 0) cells[i] = g.add([](value up) { return Wave::cell(0, up); }, cells[i - side]);
    else cells[i] = g.add([](value left, value up) { return Wave::cell(left, up); }, cells[i - 1], cells[i - side]);
  }
  bench::pool_of pool(state);
  pool.measure(state, [&] {
    g.run();
    bench::expect(cells.back().get(), Wave::answer());
  });
  bench::count_items(state, Wave::nodes);
}
BENCHMARK(wave_with_weft<tiny_wave>)->Name("graph_wave/weft")->Apply(bench::each_worker_count);
BENCHMARK(wave_with_weft<slow_wave>)->Name("graph_wave_5us/weft")->Apply(bench::each_worker_count);

void layers_with_weft(benchmark::State& state) {
  constexpr auto width = layers::width;
  weft::graph g;
  std::vector<weft::node<value>> before, now;
  auto const start = g.add([] {});
  for (std::size_t i = 0; i < width; ++i) before.push_back(g.add([i] { return value{i}; }, start));
  for (std::size_t layer = 1; layer < layers::depth; ++layer) {
    now.clear();
    for (std::size_t i = 0; i < width; ++i) {
      auto const& e = layers::edges()[layer * width + i];
      now.push_back(g.add(layers::node, before[e[0]], before[e[1]], before[e[2]]));
    }
    before.swap(now);
  }
  auto const sum = g.add(
      [](weft::node_results<value> last) {
        value all = 0;
        for (value v : last) all += v;
        return all;
      },
      before);
  bench::pool_of pool(state);
  pool.measure(state, [&] {
    g.run();
    bench::expect(sum.get(), layers::answer());
  });
  bench::count_items(state, layers::nodes);
}
BENCHMARK(layers_with_weft)->Name("graph_layers/weft")->Apply(bench::each_worker_count);

}  // namespace
