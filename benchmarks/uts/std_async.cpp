#include "support/bench.hpp"
#include "uts/problem.hpp"

#include <future>
#include <vector>

namespace {

using namespace bench::uts;

template <int Depth>
census visit(node<Depth> const& n) {
  census all = n.alone();
  std::vector<std::future<census>> children;
  for (int i = 0; i < n.children(); ++i)
    children.push_back(std::async(std::launch::async, [&n, i] { return visit(n.child(i)); }));
  for (auto& child : children) all = all + child.get();
  return all;
}

// A thread for every node: the first three levels, compared per node.
void with_async(benchmark::State& state) {
  for (auto _ : state) bench::expect(visit(node<3>::root()), answer<3>);
  bench::count_items(state, answer<3>.nodes);
}
BENCHMARK(with_async)->Name("uts_T1/std::async")->UseRealTime();

}  // namespace
