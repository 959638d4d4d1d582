#include "matmul/problem.hpp"
#include "support/weft.hpp"

namespace {

using namespace bench::matmul;

weft::task<> multiply(square a, square b, square c) {
  std::size_t const halves = a.size == block ? 0 : 2;
  if (halves == 0) multiply_block(a, b, c);
  for (std::size_t k = 0; k < halves; ++k) {
    auto const part = [&](std::size_t i, std::size_t j) {
      return multiply(a.quadrant(i, k), b.quadrant(k, j), c.quadrant(i, j));
    };
    co_await weft::when_all(part(0, 0), part(0, 1), part(1, 0), part(1, 1));
  }
}

template <std::size_t Size>
void with_tasks(benchmark::State& state) {
  problem p(Size);
  bench::pool_of pool(state);
  for (auto _ : state) p.measure(state, [&](square a, square b, square c) { pool->run(multiply, a, b, c); });
  bench::count_items(state, p.multiplications());
}
BENCHMARK(with_tasks<128>)->Name("matmul128/weft tasks")->Apply(bench::each_worker_count);
BENCHMARK(with_tasks<1024>)->Name("matmul1024/weft tasks")->Apply(bench::each_worker_count);

}  // namespace
