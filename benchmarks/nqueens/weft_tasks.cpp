#include "nqueens/problem.hpp"
#include "support/weft.hpp"

#include <utility>
#include <vector>

namespace {

using namespace bench::nqueens;

template <int N>
weft::task<int> solve(board<N> b, int row) {
  if (row == N) co_return 1;
  choices<N> const safe(b, row);
  std::vector<weft::task<int>> children;
  children.reserve(static_cast<std::size_t>(safe.size()));
  for (int i = 0; i < safe.size(); ++i) children.push_back(solve(b.with(row, safe[i]), row + 1));
  int solutions = 0;
  for (int const s : co_await weft::when_all(std::move(children))) solutions += s;
  co_return solutions;
}

template <int N>
void with_tasks(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) bench::expect(pool->run(solve<N>, board<N>(), 0), answer_of<N>.solutions);
  bench::count_items(state, answer_of<N>.placements);
}
BENCHMARK(with_tasks<8>)->Name("nqueens8/weft tasks")->Apply(bench::each_worker_count);
BENCHMARK(with_tasks<13>)->Name("nqueens13/weft tasks")->Apply(bench::each_worker_count);

}  // namespace
