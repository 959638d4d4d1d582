#include "support/weft.hpp"

#include "uts/problem.hpp"

namespace {

using namespace bench::uts;

template <int Depth>
[[gnu::noinline]] census visit(node<Depth> const& n);

/// The children [first, last) of a node: a fork makes two of one.
template <int Depth>
[[gnu::noinline]] census children(node<Depth> const& parent, int first, int last) {
  if (last - first == 1) return visit(parent.child(first));
  int const middle = first + (last - first) / 2;
  auto [a, b] = weft::fork_join([&parent, first, middle] { return children(parent, first, middle); },
                                [&parent, middle, last] { return children(parent, middle, last); });
  return a + b;
}

template <int Depth>
census visit(node<Depth> const& n) {
  return n.children() == 0 ? n.alone() : n.alone() + children(n, 0, n.children());
}

template <int Depth>
void with_weft(benchmark::State& state) {
  bench::pool_of pool(state);
  pool.measure(state, [] { bench::expect(visit(node<Depth>::root()), answer<Depth>); });
  bench::count_items(state, answer<Depth>.nodes);
}
BENCHMARK(with_weft<5>)->Name("uts_small/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<10>)->Name("uts_T1/weft")->Apply(bench::each_worker_count);

}  // namespace
