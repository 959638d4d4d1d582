#include "support/weft.hpp"

#include "idle/problem.hpp"

namespace {

void with_weft(benchmark::State& state) {
  bench::pool_of pool(state);
  std::atomic<int> count{0};
  pool->run([&count] { weft::parallel_for(0, bench::idle::bodies, [&count](int) { bench::idle::body(count); }); });
  bench::expect(count.load(), bench::idle::bodies);
  bench::idle::measure(state);
}
BENCHMARK(with_weft)->Name("idle_cpu_5s/weft")->Apply(bench::idle::each_worker_count);

}  // namespace
