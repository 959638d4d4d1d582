#include "nested/problem.hpp"

namespace {

using namespace bench::nested;

template <class Problem>
void with_serial(benchmark::State& state) {
  Problem problem;
  for (auto _ : state) {
    for (std::size_t i = 0; i < Problem::outer; ++i)
      for (std::size_t k = 0; k < Problem::inner; ++k) problem.element(i, k);
    benchmark::ClobberMemory();
  }
  problem.check();
}
BENCHMARK(with_serial<few_long>)->Name("nested_4x250k/serial")->UseRealTime();
BENCHMARK(with_serial<many_short>)->Name("nested_1000x1000/serial")->UseRealTime();
BENCHMARK(with_serial<tiny>)->Name("nested_100kx10/serial")->UseRealTime();

}  // namespace
