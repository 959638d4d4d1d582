#include "support/weft.hpp"

#include "nqueens/problem.hpp"

namespace {

using namespace bench::nqueens;

template <int N>
[[gnu::noinline]] int solve(board<N> const& b, int row);

/// The choices [first, last) of a row: a fork makes two of one.
template <int N>
[[gnu::noinline]] int place(board<N> const& b, int row, choices<N> const& safe, int first, int last) {
  if (last - first == 1) return solve(b.with(row, safe[first]), row + 1);
  int const middle = first + (last - first) / 2;
  auto [x, y] = weft::fork_join([&, first, middle] { return place(b, row, safe, first, middle); },
                                [&, middle, last] { return place(b, row, safe, middle, last); });
  return x + y;
}

template <int N>
int solve(board<N> const& b, int row) {
  if (row == N) return 1;
  choices<N> const safe(b, row);
  return safe.size() == 0 ? 0 : place(b, row, safe, 0, safe.size());
}

template <int N>
void with_weft(benchmark::State& state) {
  bench::pool_of pool(state);
  pool.measure(state, [] {
    board<N> empty;
    benchmark::DoNotOptimize(empty);
    bench::expect(solve(empty, 0), answer_of<N>.solutions);
  });
  bench::count_items(state, answer_of<N>.placements);
}
BENCHMARK(with_weft<8>)->Name("nqueens8/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<13>)->Name("nqueens13/weft")->Apply(bench::each_worker_count);

}  // namespace
