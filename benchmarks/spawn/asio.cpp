// A pool's run ends when it has nothing left to do: that joins.
#include "spawn/problem.hpp"

#include <asio.hpp>
#include <thread>
#include <vector>

namespace {

using namespace bench::spawn;

template <std::size_t Count>
void posted(benchmark::State& state) {
  auto const threads = bench::workers(state);
  marks m(Count);
  asio::io_context context(static_cast<int>(threads));
  for (auto _ : state) {
    {
      auto work = asio::make_work_guard(context);
      std::vector<std::jthread> others;
      for (unsigned i = 1; i < threads; ++i) others.emplace_back([&] { context.run(); });
      for (std::size_t i = 0; i < Count; ++i) asio::post(context, [&m, i] { m.set(i); });
      work.reset();
      context.run();
    }
    context.restart();
    state.PauseTiming();
    m.expect_all_set_once();
    state.ResumeTiming();
  }
  bench::count_items(state, Count);
}
BENCHMARK(posted<few>)->Name("spawn_scope_10k/Asio post")->Apply(bench::each_worker_count);
BENCHMARK(posted<many>)->Name("spawn_scope_1M/Asio post")->Apply(bench::each_worker_count);

asio::awaitable<void> mark(marks& m, std::size_t i) {
  m.set(i);
  co_return;
}

template <std::size_t Count>
void spawned(benchmark::State& state) {
  auto const threads = bench::workers(state);
  marks m(Count);
  asio::io_context context(static_cast<int>(threads));
  for (auto _ : state) {
    {
      auto work = asio::make_work_guard(context);
      std::vector<std::jthread> others;
      for (unsigned i = 1; i < threads; ++i) others.emplace_back([&] { context.run(); });
      for (std::size_t i = 0; i < Count; ++i) asio::co_spawn(context, mark(m, i), asio::detached);
      work.reset();
      context.run();
    }
    context.restart();
    state.PauseTiming();
    m.expect_all_set_once();
    state.ResumeTiming();
  }
  bench::count_items(state, Count);
}
BENCHMARK(spawned<few>)->Name("spawn_scope_10k/Asio co_spawn")->Apply(bench::each_worker_count);
BENCHMARK(spawned<many>)->Name("spawn_scope_1M/Asio co_spawn")->Apply(bench::each_worker_count);

}  // namespace
