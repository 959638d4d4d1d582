#include "support/weft.hpp"

#include "event/problem.hpp"

#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace {

using namespace bench::event;
using weft::task;

struct crowd {
  explicit crowd(int n) : count(n) {}
  int const count;
  weft::event begins;
  std::atomic<std::int64_t> waiting{0}, gone{0};
  double bytes_before = bench::resident_bytes(), bytes_waiting = 0;
};

task<> one(crowd& c) {
  c.waiting.fetch_add(1, std::memory_order_relaxed);
  co_await c.begins.wait();
  c.gone.fetch_add(1, std::memory_order_relaxed);
}

task<> opener(crowd& c) {
  while (c.waiting.load(std::memory_order_relaxed) != c.count) co_await weft::this_task::yield();
  c.bytes_waiting = bench::resident_bytes();
  c.begins.set();
}

task<> in_vector(crowd& c) {
  std::vector<task<>> all;
  all.reserve(static_cast<std::size_t>(c.count) + 1);
  for (int i = 0; i < c.count; ++i) all.push_back(one(c));
  all.push_back(opener(c));
  auto everybody = weft::when_all(std::move(all));
  co_await std::move(everybody);
}

task<> in_scope(crowd& c) {
  auto body = [&c](weft::scope& s) -> task<> {
    for (int i = 0; i < c.count; ++i) s.spawn(one, std::ref(c));
    co_await opener(c);
  };
  co_await weft::with_scope(body);
}

template <task<> (*Everybody)(crowd&), int Count>
void with_weft(benchmark::State& state) {
  bench::pool_of pool(state);
  double bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    malloc_trim(0);
    crowd c(Count);
    state.ResumeTiming();
    pool->run(Everybody, std::ref(c));
    bench::expect(c.gone.load(), std::int64_t{Count});
    bytes = std::max(bytes, c.bytes_waiting - c.bytes_before);  // later runs reuse the memory of the first
  }
  bench::count_items(state, Count);
  state.counters["bytes_per_task"] = bytes / Count;
}
BENCHMARK(with_weft<in_scope, few>)->Name("event_1k_scope/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<in_scope, many>)->Name("event_1M_scope/weft")->Apply(bench::each_worker_count)->Iterations(1);
BENCHMARK(with_weft<in_vector, few>)->Name("event_1k/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<in_vector, many>)->Name("event_1M/weft")->Apply(bench::each_worker_count)->Iterations(1);

}  // namespace
