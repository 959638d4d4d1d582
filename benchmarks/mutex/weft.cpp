#include "support/weft.hpp"

#include "mutex/problem.hpp"

#include <vector>

namespace {

using namespace bench::mutex;

struct guarded_counter {
  weft::mutex m;
  std::int64_t value = 0;
};

weft::task<> count(guarded_counter& c, int times) {
  for (int i = 0; i < times; ++i) {
    auto const l = co_await c.m.lock();
    ++c.value;
    benchmark::DoNotOptimize(c.value);
  }
}

void uncontended(benchmark::State& state) {
  weft::pool pool({.workers = 1});
  for (auto _ : state) {
    guarded_counter c;
    pool.run(count(c, counts));
    bench::expect(c.value, answer(counts));
  }
  bench::count_items(state, counts);
}
BENCHMARK(uncontended)->Name("mutex_uncontended/weft")->UseRealTime()->MeasureProcessCPUTime();

void try_uncontended(benchmark::State& state) {
  for (auto _ : state) {
    guarded_counter c;
    for (int i = 0; i < counts; ++i) {
      if (auto const l = c.m.try_lock()) ++c.value;
      benchmark::DoNotOptimize(c.value);
    }
    bench::expect(c.value, answer(counts));
  }
  bench::count_items(state, counts);
}
BENCHMARK(try_uncontended)->Name("mutex_uncontended/weft try_lock")->UseRealTime();

weft::task<> count_with_others(guarded_counter& c, weft::barrier<>& start, int times) {
  co_await start.arrive_and_wait();
  for (int i = 0; i < times; ++i) {
    auto const l = co_await c.m.lock();
    ++c.value;
    benchmark::DoNotOptimize(c.value);
  }
}

weft::task<> contend(guarded_counter& c, int contenders, int total) {
  weft::barrier start(contenders);
  std::vector<weft::task<>> all;
  for (int i = 0; i < contenders; ++i) all.push_back(count_with_others(c, start, total / contenders));
  auto operation = weft::when_all(std::move(all));
  co_await std::move(operation);
}

template <int Contenders, int Counts>
void contended(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) {
    guarded_counter c;
    pool->run(contend(c, Contenders, Counts));
    bench::expect(c.value, answer(Counts));
  }
  bench::count_items(state, Counts);
}
BENCHMARK(contended<2, counts>)->Name("mutex_2_contenders/weft")->Apply(bench::each_worker_count);
BENCHMARK(contended<1000, counts>)->Name("mutex_1000_contenders/weft")->Apply(bench::each_worker_count);
BENCHMARK(contended<100, few_counts>)->Name("mutex_few/weft")->Apply(bench::each_worker_count);

/// Each holds the mutex across a wait, so that all the others stand in its queue.
weft::task<> count_slowly(guarded_counter& c, int times) {
  for (int i = 0; i < times; ++i) {
    auto const l = co_await c.m.lock();
    ++c.value;
    co_await weft::this_task::yield();
  }
}

template <int Contenders, int Counts>
void queued(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) {
    guarded_counter c;
    pool->run([&]() -> weft::task<> {
      std::vector<weft::task<>> all;
      for (int i = 0; i < Contenders; ++i) all.push_back(count_slowly(c, Counts / Contenders));
      auto operation = weft::when_all(std::move(all));
      co_await std::move(operation);
    });
    bench::expect(c.value, answer(Counts));
  }
  bench::count_items(state, Counts);
}
BENCHMARK(queued<1000, counts>)->Name("mutex_1000_queued/weft")->Apply(bench::each_worker_count);

}  // namespace
