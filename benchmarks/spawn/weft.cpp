#include "support/weft.hpp"

#include "spawn/problem.hpp"

#include <utility>

namespace {

using namespace bench::spawn;

auto start_all(std::size_t count) {
  std::vector<weft::future<std::size_t>> all;
  all.reserve(count);
  for (std::size_t i = 0; i < count; ++i) all.push_back(weft::spawn([i] { return i; }));
  return all;
}

// Joined by get(), which blocks; from inside the pool the waiter helps.
template <std::size_t Count>
void by_get(benchmark::State& state) {
  bench::pool_of pool(state);
  pool.measure(state, [] {
    std::uint64_t sum = 0;
    for (auto& f : start_all(Count)) sum += f.get();
    bench::expect(sum, sum_below(Count));
  });
  bench::count_items(state, Count);
}
BENCHMARK(by_get<few>)->Name("spawn_get_10k/weft")->Apply(bench::each_worker_count);
BENCHMARK(by_get<many>)->Name("spawn_get_1M/weft")->Apply(bench::each_worker_count);

weft::task<std::uint64_t> await_all(std::size_t count) {
  std::uint64_t sum = 0;
  auto all = start_all(count);
  for (auto& f : all) sum += co_await std::move(f);
  co_return sum;
}

template <std::size_t Count>
void by_await(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) bench::expect(pool->run(await_all, Count), sum_below(Count));
  bench::count_items(state, Count);
}
BENCHMARK(by_await<few>)->Name("spawn_await_10k/weft")->Apply(bench::each_worker_count);
BENCHMARK(by_await<many>)->Name("spawn_await_1M/weft")->Apply(bench::each_worker_count);

// Results are dropped; the end of the scope joins.
weft::task<> in_scope(marks& m, std::size_t count) {
  co_await weft::with_scope([&m, count](weft::scope& s) {
    for (std::size_t i = 0; i < count; ++i) s.spawn([&m, i] { m.set(i); });
  });
}

template <std::size_t Count>
void by_scope(benchmark::State& state) {
  bench::pool_of pool(state);
  marks m(Count);
  for (auto _ : state) {
    pool->run(in_scope, std::ref(m), Count);
    state.PauseTiming();
    m.expect_all_set_once();
    state.ResumeTiming();
  }
  bench::count_items(state, Count);
}
BENCHMARK(by_scope<few>)->Name("spawn_scope_10k/weft")->Apply(bench::each_worker_count);
BENCHMARK(by_scope<many>)->Name("spawn_scope_1M/weft")->Apply(bench::each_worker_count);

}  // namespace
