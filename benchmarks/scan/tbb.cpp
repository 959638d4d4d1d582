#include "support/tbb.hpp"

#include "scan/problem.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_scan.h>

#include <functional>
#include <numeric>

namespace {

using namespace bench::scan;

template <class T, std::size_t Size>
void with_tbb(benchmark::State& state) {
  auto& all = numbers<T, Size>::shared();
  using range = tbb::blocked_range<std::size_t>;
  bench::measure_in_arena(state, [&all] {
    benchmark::ClobberMemory();
    tbb::parallel_scan(
        range(0, Size), T{},
        [&all](range const& r, T before, bool is_final) {
          auto const* const from = all.from.data();
          if (!is_final) return std::reduce(from + r.begin(), from + r.end(), before);
          for (auto i = r.begin(); i != r.end(); ++i) all.to[i] = before = static_cast<T>(before + from[i]);
          return before;
        },
        std::plus<>{});
    all.check();
  });
}
BENCHMARK(with_tbb<double, few>)->Name("scan_100k/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<double, many>)->Name("scan_16M/TBB")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<std::uint32_t, many>)->Name("scan_16M_u32/TBB")->Apply(bench::each_worker_count);

}  // namespace
