#include "support/weft.hpp"

#include "sleep/problem.hpp"

#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

namespace {

using namespace bench::sleep;

struct sleepers {
  std::vector<nanoseconds> lengths;
  std::atomic<std::int64_t> awake{0};
  double bytes_before = bench::resident_bytes(), bytes_asleep = 0;
};

weft::task<> one(sleepers& all, nanoseconds length) {
  co_await weft::sleep_for(length);
  all.awake.fetch_add(1, std::memory_order_relaxed);
}

// All begin before the first wakes; then, once, the memory that they take is read.
weft::task<> in_scope(sleepers& all) {
  co_await weft::with_scope([&all](weft::scope& s) -> weft::task<> {
    for (auto const length : all.lengths) s.spawn(one, std::ref(all), length);
    co_await weft::sleep_for(shortest / 2);
    all.bytes_asleep = bench::resident_bytes();
  });
}

weft::task<> in_vector(sleepers& all) {
  std::vector<weft::task<>> tasks;
  tasks.reserve(all.lengths.size() + 1);
  for (auto const length : all.lengths) tasks.push_back(one(all, length));
  tasks.push_back([](sleepers& s) -> weft::task<> {
    co_await weft::sleep_for(shortest / 2);
    s.bytes_asleep = bench::resident_bytes();
  }(all));
  co_await weft::when_all(std::move(tasks));
}

template <weft::task<> (*Sleep)(sleepers&), int Count>
void with_weft(benchmark::State& state) {
  for (auto _ : state) {
    bench::pool_of pool(state);
    malloc_trim(0);
    sleepers all{.lengths = lengths(Count)};
    double const cpu_before = bench::cpu_seconds();
    auto const begun = std::chrono::steady_clock::now();
    pool->run(Sleep, std::ref(all));
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - begun;
    bench::expect(all.awake.load(), std::int64_t{Count});
    state.SetIterationTime(std::chrono::duration<double>(took - longest).count());
    state.counters["cpu_s"] = bench::cpu_seconds() - cpu_before;
    state.counters["bytes_per_task"] = (all.bytes_asleep - all.bytes_before) / Count;
  }
}

void once(benchmark::internal::Benchmark* b) {
  bench::worker_counts(b);
  b->UseManualTime()->Iterations(1);
}
BENCHMARK(with_weft<in_scope, 1'000>)->Name("sleep_1k_scope/weft")->Apply(once);
BENCHMARK(with_weft<in_scope, 1'000'000>)->Name("sleep_1M_scope/weft")->Apply(once);
BENCHMARK(with_weft<in_vector, 1'000'000>)->Name("sleep_1M_when_all/weft")->Apply(once);

}  // namespace
