#include "await/problem.hpp"
#include "support/bench.hpp"

namespace {

using namespace bench::await;

[[gnu::noinline]] std::int64_t call(int i) { return value(i); }

void serial(benchmark::State& state) {
  for (auto _ : state) {
    std::int64_t sum = 0;
    for (int i = 0; i < many; ++i) {
      sum += call(i);
      benchmark::DoNotOptimize(sum);
    }
    bench::expect(sum, answer(many));
  }
  bench::count_items(state, many);
}
BENCHMARK(serial)->Name("await_10M/serial")->UseRealTime();

}  // namespace
