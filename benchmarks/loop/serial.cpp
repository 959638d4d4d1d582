#include "loop/problem.hpp"
#include "support/bench.hpp"

namespace {

using namespace bench::loop;

template <class Problem>
void with_serial(benchmark::State& state) {
  Problem problem;
  for (auto _ : state) {
    for (std::size_t i = 0; i < Problem::size; ++i) problem.body(i);
    benchmark::ClobberMemory();
  }
  problem.check(state.iterations());
}
BENCHMARK(with_serial<tiny<10>>)->Name("loop_10/serial")->UseRealTime();
BENCHMARK(with_serial<tiny<1000>>)->Name("loop_1000/serial")->UseRealTime();
BENCHMARK(with_serial<saxpy>)->Name("saxpy_1M/serial")->UseRealTime();
BENCHMARK(with_serial<compute>)->Name("compute_1M/serial")->UseRealTime();

}  // namespace
