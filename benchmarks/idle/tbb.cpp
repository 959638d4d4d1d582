#include "support/tbb.hpp"

#include "idle/problem.hpp"

#include <tbb/parallel_for.h>

namespace {

void with_tbb(benchmark::State& state) {
  tbb::task_arena arena(static_cast<int>(bench::workers(state)));
  std::atomic<int> count{0};
  arena.execute([&count] { tbb::parallel_for(0, bench::idle::bodies, [&count](int) { bench::idle::body(count); }); });
  bench::expect(count.load(), bench::idle::bodies);
  bench::idle::measure(state);
}
BENCHMARK(with_tbb)->Name("idle_cpu_5s/TBB")->Apply(bench::idle::each_worker_count);

}  // namespace
