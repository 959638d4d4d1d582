#include "spawn/problem.hpp"

namespace {

using namespace bench::spawn;

[[gnu::noinline]] void task(marks& m, std::size_t i) { m.set(i); }

void serial(benchmark::State& state) {
  marks m(many);
  for (auto _ : state) {
    for (std::size_t i = 0; i < many; ++i) task(m, i);
    state.PauseTiming();
    m.expect_all_set_once();
    state.ResumeTiming();
  }
  bench::count_items(state, many);
}
BENCHMARK(serial)->Name("spawn_scope_1M/serial")->UseRealTime();

}  // namespace
