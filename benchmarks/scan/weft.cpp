#include "support/weft.hpp"

#include "scan/problem.hpp"

#include <algorithm>

namespace {

using namespace bench::scan;

template <class T, std::size_t Size>
void with_weft(benchmark::State& state) {
  auto& all = numbers<T, Size>::shared();
  bench::pool_of pool(state);
  pool.measure(state, [&all] {
    benchmark::ClobberMemory();
    weft::parallel_inclusive_scan(all.from, all.to.begin());
    all.check();
  });
}
BENCHMARK(with_weft<double, few>)->Name("scan_100k/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<double, many>)->Name("scan_16M/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<std::uint32_t, many>)->Name("scan_16M_u32/weft")->Apply(bench::each_worker_count);

// The reproducible scan, beside the free one: a case of its own, whose "others" are the free one.
template <class T, std::size_t Size>
void reproducibly(benchmark::State& state) {
  auto& all = numbers<T, Size>::shared();
  bench::pool_of pool(state);
  pool.measure(state, [&all] {
    benchmark::ClobberMemory();
    weft::parallel_inclusive_scan(weft::reproducible, all.from, all.to.begin());
    all.check();
  });
}
BENCHMARK(reproducibly<double, few>)->Name("scan_100k_reproducible/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<double, few>)->Name("scan_100k_reproducible/free")->Apply(bench::each_worker_count);
BENCHMARK(reproducibly<double, many>)->Name("scan_16M_reproducible/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<double, many>)->Name("scan_16M_reproducible/free")->Apply(bench::each_worker_count);

template <class T, std::size_t Size>
void copy(benchmark::State& state) {
  auto& all = numbers<T, Size>::shared();
  bench::pool_of pool(state);
  pool.measure(state, [&all] {
    benchmark::ClobberMemory();
    constexpr std::size_t block = 8192;
    weft::parallel_for(std::size_t{0}, (Size + block - 1) / block, [&all](std::size_t k) {
      auto const first = k * block, last = std::min(Size, first + block);
      std::copy(all.from.data() + first, all.from.data() + last, all.to.data() + first);
    });
    bench::expect(all.to.back(), all.from.back());
  });
}
BENCHMARK(copy<double, many>)->Name("copy_16M/weft")->Apply(bench::each_worker_count);
BENCHMARK(copy<std::uint32_t, many>)->Name("copy_16M_u32/weft")->Apply(bench::each_worker_count);

}  // namespace
