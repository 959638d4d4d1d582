#include "support/tbb.hpp"

#include "matmul/problem.hpp"

#include <tbb/parallel_invoke.h>
#include <tbb/task_group.h>

namespace {

using namespace bench::matmul;

template <class Invoke>
void multiply(square a, square b, square c, Invoke const& invoke) {
  if (a.size == block) return multiply_block(a, b, c);
  for (std::size_t k = 0; k < 2; ++k) {
    auto const part = [=, &invoke](std::size_t i, std::size_t j) {
      return [=, &invoke] { multiply(a.quadrant(i, k), b.quadrant(k, j), c.quadrant(i, j), invoke); };
    };
    invoke(part(0, 0), part(0, 1), part(1, 0), part(1, 1));
  }
}

struct by_invoke {
  template <class... F>
  void operator()(F const&... f) const {
    tbb::parallel_invoke(f...);
  }
};

struct by_group {
  template <class First, class... F>
  void operator()(First const& first, F const&... others) const {
    tbb::task_group all;
    (all.run(others), ...);
    first();
    all.wait();
  }
};

template <class By, std::size_t Size>
void with_tbb(benchmark::State& state) {
  problem p(Size);
  bench::measure_in_arena(state,
                          [&] { p.measure(state, [](square a, square b, square c) { multiply(a, b, c, By()); }); });
  bench::count_items(state, p.multiplications());
}
BENCHMARK(with_tbb<by_invoke, 128>)->Name("matmul128/TBB parallel_invoke")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<by_invoke, 1024>)->Name("matmul1024/TBB parallel_invoke")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<by_group, 1024>)->Name("matmul1024/TBB task_group")->Apply(bench::each_worker_count);

}  // namespace
