#include "reduce/problem.hpp"

#include <numeric>

namespace {

using namespace bench::reduce;

// std::reduce may add in any order, std::accumulate may not.
template <std::size_t Size>
void by_reduce(benchmark::State& state) {
  auto const& all = values<Size>();
  for (auto _ : state) {
    benchmark::ClobberMemory();
    bench::expect(std::reduce(all.begin(), all.end(), 0.0), answer<Size>);
  }
}
BENCHMARK(by_reduce<few>)->Name("reduce_100k/serial")->UseRealTime();
BENCHMARK(by_reduce<many>)->Name("reduce_16M/serial")->UseRealTime();

template <std::size_t Size>
void by_accumulate(benchmark::State& state) {
  auto const& all = values<Size>();
  for (auto _ : state) {
    benchmark::ClobberMemory();
    bench::expect(std::accumulate(all.begin(), all.end(), 0.0), answer<Size>);
  }
}
BENCHMARK(by_accumulate<few>)->Name("reduce_100k/serial accumulate")->UseRealTime();
BENCHMARK(by_accumulate<many>)->Name("reduce_16M/serial accumulate")->UseRealTime();

}  // namespace
