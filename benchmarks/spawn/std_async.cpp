#include "spawn/problem.hpp"

#include <future>

namespace {

using namespace bench::spawn;

// A thread each: ten thousand of them, compared per task.
void with_async(benchmark::State& state) {
  for (auto _ : state) {
    std::vector<std::future<std::size_t>> all;
    all.reserve(few);
    for (std::size_t i = 0; i < few; ++i) all.push_back(std::async(std::launch::async, [i] { return i; }));
    std::uint64_t sum = 0;
    for (auto& f : all) sum += f.get();
    bench::expect(sum, sum_below(few));
  }
  bench::count_items(state, few);
}
BENCHMARK(with_async)->Name("spawn_get_1M/std::async")->UseRealTime();

}  // namespace
