#include "support/weft.hpp"
#include "uts/problem.hpp"

#include <utility>
#include <vector>

namespace {

using namespace bench::uts;

template <int Depth>
weft::task<census> visit(node<Depth> n) {
  census all = n.alone();
  if (n.children() == 0) co_return all;
  std::vector<weft::task<census>> children;
  children.reserve(static_cast<std::size_t>(n.children()));
  for (int i = 0; i < n.children(); ++i) children.push_back(visit(n.child(i)));
  for (census const& c : co_await weft::when_all(std::move(children))) all = all + c;
  co_return all;
}

template <int Depth>
void with_tasks(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) bench::expect(pool->run(visit<Depth>, node<Depth>::root()), answer<Depth>);
  bench::count_items(state, answer<Depth>.nodes);
}
BENCHMARK(with_tasks<5>)->Name("uts_small/weft tasks")->Apply(bench::each_worker_count);
BENCHMARK(with_tasks<10>)->Name("uts_T1/weft tasks")->Apply(bench::each_worker_count);

}  // namespace
