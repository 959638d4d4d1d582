#include "uneven/problem.hpp"

namespace {

using namespace bench::uneven_loop;

template <class Problem>
void with_serial(benchmark::State& state) {
  Problem problem;
  for (auto _ : state) {
    for (std::size_t i = 0; i < Problem::size; ++i) problem.element(i);
    benchmark::ClobberMemory();
  }
  problem.check();
}
BENCHMARK(with_serial<triangle>)->Name("triangular_1M/serial")->UseRealTime();
BENCHMARK(with_serial<power_law>)->Name("power_law_1M/serial")->UseRealTime();
BENCHMARK(with_serial<power_law_last>)->Name("power_law_last_1M/serial")->UseRealTime();

}  // namespace
