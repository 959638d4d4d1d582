#include "support/openmp.hpp"

#include "matmul/problem.hpp"

namespace {

using namespace bench::matmul;

void multiply(square a, square b, square c) {
  if (a.size == block) return multiply_block(a, b, c);
  for (std::size_t k = 0; k < 2; ++k) {
    for (std::size_t i = 0; i < 2; ++i) {
      for (std::size_t j = 0; j < 2; ++j) {
#pragma omp task firstprivate(i, j, k)
        multiply(a.quadrant(i, k), b.quadrant(k, j), c.quadrant(i, j));
      }
    }
#pragma omp taskwait
  }
}

template <std::size_t Size>
void with_openmp(benchmark::State& state) {
  problem p(Size);
  bench::measure_with_team(state, [&] {
    p.measure(state, [](square a, square b, square c) {
#pragma omp parallel
#pragma omp single
      multiply(a, b, c);
    });
  });
  bench::count_items(state, p.multiplications());
}
BENCHMARK(with_openmp<128>)->Name("matmul128/OpenMP tasks")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<1024>)->Name("matmul1024/OpenMP tasks")->Apply(bench::each_worker_count);

}  // namespace
