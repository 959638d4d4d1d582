#include "support/tbb.hpp"

#include "nqueens/problem.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>
#include <tbb/task_group.h>

#include <array>
#include <functional>

namespace {

using namespace bench::nqueens;

template <int N>
struct by_group {
  static int solve(board<N> const& b, int row) {
    if (row == N) return 1;
    std::array<int, N> found{};
    tbb::task_group children;
    for (int c = 0; c < N; ++c) {
      if (!b.safe(row, c)) continue;
      auto& mine = found[static_cast<std::size_t>(c)];
      children.run([&mine, next = b.with(row, c), row] { mine = solve(next, row + 1); });
    }
    children.wait();
    int solutions = 0;
    for (int const f : found) solutions += f;
    return solutions;
  }
};

template <int N>
struct by_reduce {
  static int solve(board<N> const& b, int row) {
    if (row == N) return 1;
    choices<N> const safe(b, row);
    return tbb::parallel_reduce(
        tbb::blocked_range<int>(0, safe.size(), 1), 0,
        [&](tbb::blocked_range<int> const& part, int sum) {
          for (int i = part.begin(); i < part.end(); ++i) sum += solve(b.with(row, safe[i]), row + 1);
          return sum;
        },
        std::plus<>(), tbb::simple_partitioner());
  }
};

template <template <int> class By, int N>
void with_tbb(benchmark::State& state) {
  bench::measure_in_arena(state, [] { bench::expect(By<N>::solve(board<N>(), 0), answer_of<N>.solutions); });
  bench::count_items(state, answer_of<N>.placements);
}
BENCHMARK(with_tbb<by_group, 8>)->Name("nqueens8/TBB task_group")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<by_group, 13>)->Name("nqueens13/TBB task_group")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<by_reduce, 13>)->Name("nqueens13/TBB parallel_reduce")->Apply(bench::each_worker_count);

}  // namespace
