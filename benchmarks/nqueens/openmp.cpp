#include "support/openmp.hpp"

#include "nqueens/problem.hpp"

#include <array>

namespace {

using namespace bench::nqueens;

template <int N>
int solve(board<N> const& b, int row) {
  if (row == N) return 1;
  std::array<int, N> found{};
  for (int c = 0; c < N; ++c) {
    if (!b.safe(row, c)) continue;
    board<N> const next = b.with(row, c);
#pragma omp task shared(found) firstprivate(next, row, c)
    found[static_cast<std::size_t>(c)] = solve(next, row + 1);
  }
#pragma omp taskwait
  int solutions = 0;
  for (int const f : found) solutions += f;
  return solutions;
}

template <int N>
void with_openmp(benchmark::State& state) {
  bench::measure_with_team(state, [] {
    int solutions = 0;
#pragma omp parallel
#pragma omp single
    solutions = solve(board<N>(), 0);
    bench::expect(solutions, answer_of<N>.solutions);
  });
  bench::count_items(state, answer_of<N>.placements);
}
BENCHMARK(with_openmp<8>)->Name("nqueens8/OpenMP tasks")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<13>)->Name("nqueens13/OpenMP tasks")->Apply(bench::each_worker_count);

}  // namespace
