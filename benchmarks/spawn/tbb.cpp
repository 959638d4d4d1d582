#include "support/tbb.hpp"

#include "spawn/problem.hpp"

#include <tbb/task_group.h>

namespace {

using namespace bench::spawn;

void with_tbb(benchmark::State& state) {
  marks m(many);
  bench::measure_in_arena(state, [&] {
    tbb::task_group all;
    for (std::size_t i = 0; i < many; ++i) all.run([&m, i] { m.set(i); });
    all.wait();
    state.PauseTiming();
    m.expect_all_set_once();
    state.ResumeTiming();
  });
  bench::count_items(state, many);
}
BENCHMARK(with_tbb)->Name("spawn_scope_1M/TBB")->Apply(bench::each_worker_count);

}  // namespace
