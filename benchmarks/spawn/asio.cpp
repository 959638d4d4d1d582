// A pool's run ends when it has nothing left to do: that joins.
#include "spawn/problem.hpp"

#include <asio.hpp>
#include <thread>
#include <vector>

namespace {

using namespace bench::spawn;

asio::awaitable<void> mark(marks& m, std::size_t i) {
  m.set(i);
  co_return;
}

constexpr auto post = [](asio::io_context& context, marks& m, std::size_t i) {
  asio::post(context, [&m, i] { m.set(i); });
};
constexpr auto spawn = [](asio::io_context& context, marks& m, std::size_t i) {
  asio::co_spawn(context, mark(m, i), asio::detached);
};

template <std::size_t Count, auto Start>
void started(benchmark::State& state) {
  auto const threads = bench::workers(state);
  marks m(Count);
  asio::io_context context(static_cast<int>(threads));
  for (auto _ : state) {
    {
      auto work = asio::make_work_guard(context);
      std::vector<std::jthread> others;
      for (unsigned i = 1; i < threads; ++i) others.emplace_back([&] { context.run(); });
      for (std::size_t i = 0; i < Count; ++i) Start(context, m, i);
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
BENCHMARK(started<few, post>)->Name("spawn_scope_10k/Asio post")->Apply(bench::each_worker_count);
BENCHMARK(started<many, post>)->Name("spawn_scope_1M/Asio post")->Apply(bench::each_worker_count);
BENCHMARK(started<few, spawn>)->Name("spawn_scope_10k/Asio co_spawn")->Apply(bench::each_worker_count);
BENCHMARK(started<many, spawn>)->Name("spawn_scope_1M/Asio co_spawn")->Apply(bench::each_worker_count);

}  // namespace
