#include "matmul/problem.hpp"
#include "support/bench.hpp"

#include <future>

namespace {

using namespace bench::matmul;

void multiply(square a, square b, square c) {
  if (a.size == block) return multiply_block(a, b, c);
  for (std::size_t k = 0; k < 2; ++k) {
    auto const part = [&](std::size_t i, std::size_t j) {
      return std::async(std::launch::async, multiply, a.quadrant(i, k), b.quadrant(k, j), c.quadrant(i, j));
    };
    auto const parts = {part(0, 0).share(), part(0, 1).share(), part(1, 0).share(), part(1, 1).share()};
    for (auto const& each : parts) each.get();
  }
}

// A thread for every product: smaller matrices, compared per multiplication.
void with_async(benchmark::State& state) {
  problem p(256);
  for (auto _ : state) p.measure(state, multiply);
  bench::count_items(state, p.multiplications());
}
BENCHMARK(with_async)->Name("matmul1024/std::async")->UseRealTime();

}  // namespace
