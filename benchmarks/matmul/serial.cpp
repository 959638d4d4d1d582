#include "matmul/problem.hpp"
#include "support/bench.hpp"

namespace {

using namespace bench::matmul;

[[gnu::noinline]] void multiply(square a, square b, square c) {
  if (a.size == block) return multiply_block(a, b, c);
  for (std::size_t k = 0; k < 2; ++k) {
    for (std::size_t i = 0; i < 2; ++i)
      for (std::size_t j = 0; j < 2; ++j) multiply(a.quadrant(i, k), b.quadrant(k, j), c.quadrant(i, j));
  }
}

template <std::size_t Size>
void serial(benchmark::State& state) {
  problem p(Size);
  for (auto _ : state) p.measure(state, multiply);
  bench::count_items(state, p.multiplications());
}
BENCHMARK(serial<128>)->Name("matmul128/serial")->UseRealTime();
BENCHMARK(serial<1024>)->Name("matmul1024/serial")->UseRealTime();

}  // namespace
