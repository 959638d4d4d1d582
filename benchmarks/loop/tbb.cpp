#include "support/tbb.hpp"

#include "loop/problem.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

namespace {

using namespace bench::loop;

template <class Problem>
void with_tbb(benchmark::State& state) {
  Problem problem;
  bench::measure_in_arena(state, [&problem] {
    tbb::parallel_for(tbb::blocked_range<std::size_t>(0, Problem::size),
                      [&problem](tbb::blocked_range<std::size_t> const& range) {
                        for (auto i = range.begin(); i != range.end(); ++i) problem.body(i);
                      });
    benchmark::ClobberMemory();
  });
  problem.check(state.iterations());
}
BENCHMARK(with_tbb<tiny<10>>)->Name("loop_10/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<tiny<1000>>)->Name("loop_1000/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<saxpy>)->Name("saxpy_1M/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<compute>)->Name("compute_1M/TBB")->Apply(bench::each_worker_count);

}  // namespace
