#include "mutex/problem.hpp"
#include "support/bench.hpp"

#include <barrier>
#include <chrono>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace {

using namespace bench::mutex;

struct guarded_counter {
  std::mutex m;
  std::int64_t value = 0;

  void count(int times) {
    for (int i = 0; i < times; ++i) {
      std::lock_guard const l(m);
      ++value;
      benchmark::DoNotOptimize(value);
    }
  }
};

void uncontended(benchmark::State& state) {
  // With a second thread, as in a program with a pool: glibc may leave out what a program of one thread does not need.
  std::jthread const second([](std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  });
  for (auto _ : state) {
    guarded_counter c;
    c.count(counts);
    bench::expect(c.value, answer(counts));
  }
  bench::count_items(state, counts);
}
BENCHMARK(uncontended)->Name("mutex_uncontended/std::mutex")->UseRealTime();

/// As many threads as contenders.
void contended(benchmark::State& state) {
  int const contenders = static_cast<int>(state.range(0));
  for (auto _ : state) {
    guarded_counter c;
    std::barrier start(contenders);
    std::vector<std::jthread> threads;
    for (int i = 0; i < contenders; ++i) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        c.count(counts / contenders);
      });
    }
    threads.clear();
    bench::expect(c.value, answer(counts));
  }
  bench::count_items(state, counts);
}
BENCHMARK(contended)->Name("mutex_2_contenders/std::mutex")->Arg(2)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(contended)->Name("mutex_1000_contenders/std::mutex")->Arg(1000)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
