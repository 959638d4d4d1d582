#include "mutex/problem.hpp"
#include "support/bench.hpp"

namespace {

using namespace bench::mutex;

void serial(benchmark::State& state) {
  for (auto _ : state) {
    std::int64_t counter = 0;
    for (int i = 0; i < counts; ++i) {
      ++counter;
      benchmark::DoNotOptimize(counter);
    }
    bench::expect(counter, answer(counts));
  }
  bench::count_items(state, counts);
}
BENCHMARK(serial)->Name("mutex_uncontended/serial")->UseRealTime();

}  // namespace
