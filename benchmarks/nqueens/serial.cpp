#include "nqueens/problem.hpp"
#include "support/bench.hpp"

namespace {

using namespace bench::nqueens;

template <int N>
[[gnu::noinline]] int solve(board<N> const& b, int row) {
  if (row == N) return 1;
  int solutions = 0;
  for (int c = 0; c < N; ++c)
    if (b.safe(row, c)) solutions += solve(b.with(row, c), row + 1);
  return solutions;
}

template <int N>
std::int64_t placements(board<N> const& b, int row) {
  std::int64_t count = 0;
  for (int c = 0; c < N && row < N; ++c)
    if (b.safe(row, c)) count += 1 + placements(b.with(row, c), row + 1);
  return count;
}

template <int N>
void serial(benchmark::State& state) {
  bench::expect(placements(board<N>(), 0), answer_of<N>.placements);
  for (auto _ : state) {
    board<N> empty;
    benchmark::DoNotOptimize(empty);
    bench::expect(solve(empty, 0), answer_of<N>.solutions);
  }
  bench::count_items(state, answer_of<N>.placements);
}
BENCHMARK(serial<8>)->Name("nqueens8/serial")->UseRealTime();
BENCHMARK(serial<13>)->Name("nqueens13/serial")->UseRealTime();

}  // namespace
