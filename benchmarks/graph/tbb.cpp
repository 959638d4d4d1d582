#include "support/tbb.hpp"

#include "graph/problem.hpp"

#include <tbb/flow_graph.h>

#include <deque>

namespace {

using namespace bench::graph;
namespace flow = tbb::flow;
using node = flow::continue_node<flow::continue_msg>;

// Continue nodes carry no values: results stand in a table beside the graph.
template <class Wave>
void wave_with_tbb(benchmark::State& state) {
  std::vector<value> cells(Wave::nodes);
  bench::measure_in_arena(state,
                          [&, g = std::make_shared<flow::graph>(), nodes = std::make_shared<std::deque<node>>()] {
                            if (nodes->empty()) {
                              for (std::size_t i = 0; i < Wave::nodes; ++i) {
                                auto const r = i / Wave::side, c = i % Wave::side;
                                nodes->emplace_back(*g, [&cells, r, c, i](flow::continue_msg) {
                                  cells[i] = Wave::cell(c == 0 ? 0 : cells[i - 1], r == 0 ? 0 : cells[i - Wave::side]);
                                });
                                if (c != 0) flow::make_edge((*nodes)[i - 1], (*nodes)[i]);
                                if (r != 0) flow::make_edge((*nodes)[i - Wave::side], (*nodes)[i]);
                              }
                            }
                            nodes->front().try_put(flow::continue_msg());
                            g->wait_for_all();
                            bench::expect(cells.back(), Wave::answer());
                          });
  bench::count_items(state, Wave::nodes);
}
BENCHMARK(wave_with_tbb<tiny_wave>)->Name("graph_wave/TBB flow graph")->Apply(bench::each_worker_count);
BENCHMARK(wave_with_tbb<slow_wave>)->Name("graph_wave_5us/TBB flow graph")->Apply(bench::each_worker_count);

void layers_with_tbb(benchmark::State& state) {
  constexpr auto width = layers::width;
  std::vector<value> results(layers::depth * width);
  auto const& edges = layers::edges();
  bench::measure_in_arena(state, [&, g = std::make_shared<flow::graph>(), nodes = std::make_shared<std::deque<node>>(),
                                  start = std::shared_ptr<flow::broadcast_node<flow::continue_msg>>()]() mutable {
    if (!start) {
      start = std::make_shared<flow::broadcast_node<flow::continue_msg>>(*g);
      for (std::size_t i = 0; i < results.size(); ++i) {
        nodes->emplace_back(*g, [&results, &edges, i](flow::continue_msg) {
          if (i < width) {
            results[i] = i;
          } else {
            value const* const before = &results[i / width * width - width];
            results[i] = layers::node(before[edges[i][0]], before[edges[i][1]], before[edges[i][2]]);
          }
        });
        if (i < width) flow::make_edge(*start, nodes->back());
        else
          for (auto const e : edges[i]) flow::make_edge((*nodes)[i / width * width - width + e], nodes->back());
      }
    }
    start->try_put(flow::continue_msg());
    g->wait_for_all();
    value sum = 0;
    for (std::size_t i = results.size() - width; i < results.size(); ++i) sum += results[i];
    bench::expect(sum, layers::answer());
  });
  bench::count_items(state, layers::nodes);
}
BENCHMARK(layers_with_tbb)->Name("graph_layers/TBB flow graph")->Apply(bench::each_worker_count);

}  // namespace
