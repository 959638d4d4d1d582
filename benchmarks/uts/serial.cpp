#include "support/bench.hpp"
#include "uts/problem.hpp"

namespace {

using namespace bench::uts;

template <int Depth>
[[gnu::noinline]] census visit(node<Depth> const& n) {
  census all = n.alone();
  for (int i = 0; i < n.children(); ++i) all = all + visit(n.child(i));
  return all;
}

template <int Depth>
void serial(benchmark::State& state) {
  for (auto _ : state) bench::expect(visit(node<Depth>::root()), answer<Depth>);
  bench::count_items(state, answer<Depth>.nodes);
}
BENCHMARK(serial<5>)->Name("uts_small/serial")->UseRealTime();
BENCHMARK(serial<10>)->Name("uts_T1/serial")->UseRealTime();

}  // namespace
