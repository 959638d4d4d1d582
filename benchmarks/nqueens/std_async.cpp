#include "nqueens/problem.hpp"
#include "support/bench.hpp"

#include <future>
#include <vector>

namespace {

using namespace bench::nqueens;

template <int N>
int solve(board<N> const& b, int row) {
  if (row == N) return 1;
  std::vector<std::future<int>> children;
  for (int c = 0; c < N; ++c)
    if (b.safe(row, c)) children.push_back(std::async(std::launch::async, solve<N>, b.with(row, c), row + 1));
  int solutions = 0;
  for (auto& child : children) solutions += child.get();
  return solutions;
}

// A thread for every queen: a small board, compared per placement.
void with_async(benchmark::State& state) {
  for (auto _ : state) bench::expect(solve(board<6>(), 0), answer_of<6>.solutions);
  bench::count_items(state, answer_of<6>.placements);
}
BENCHMARK(with_async)->Name("nqueens13/std::async")->UseRealTime();

}  // namespace
