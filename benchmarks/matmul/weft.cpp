#include "support/weft.hpp"

#include "matmul/problem.hpp"

namespace {

using namespace bench::matmul;

[[gnu::noinline]] void multiply(square a, square b, square c) {
  if (a.size == block) return multiply_block(a, b, c);
  for (std::size_t k = 0; k < 2; ++k) {
    auto const part = [=](std::size_t i, std::size_t j) {
      return [=] { multiply(a.quadrant(i, k), b.quadrant(k, j), c.quadrant(i, j)); };
    };
    weft::fork_join(part(0, 0), part(0, 1), part(1, 0), part(1, 1));
  }
}

template <std::size_t Size>
void with_weft(benchmark::State& state) {
  problem p(Size);
  bench::pool_of pool(state);
  pool.measure(state, [&] { p.measure(state, multiply); });
  bench::count_items(state, p.multiplications());
}
BENCHMARK(with_weft<128>)->Name("matmul128/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<1024>)->Name("matmul1024/weft")->Apply(bench::each_worker_count);

}  // namespace
