#include "nqueens/problem.hpp"
#include "support/weft.hpp"

#include <functional>
#include <ranges>
#include <utility>

namespace {

using namespace bench::nqueens;

template <int N>
weft::task<int> solve(board<N> b, int row) {
  if (row == N) co_return 1;
  choices<N> const safe(b, row);
  if (safe.size() == 0) co_return 0;
  auto const child = [&](int i) { return solve(b.with(row, safe[i]), row + 1); };
  auto sum = weft::when_all(std::views::iota(0, safe.size()) | std::views::transform(child), 0, std::plus<>());
  co_return co_await std::move(sum);
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
