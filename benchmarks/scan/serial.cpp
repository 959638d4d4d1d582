#include "scan/problem.hpp"

#include <algorithm>
#include <numeric>

namespace {

using namespace bench::scan;

template <class T, std::size_t Size>
void by_std(benchmark::State& state) {
  auto& all = numbers<T, Size>::shared();
  for (auto _ : state) {
    benchmark::ClobberMemory();
    std::inclusive_scan(all.from.begin(), all.from.end(), all.to.begin());
    all.check();
  }
}
BENCHMARK(by_std<double, few>)->Name("scan_100k/serial")->UseRealTime();
BENCHMARK(by_std<double, many>)->Name("scan_16M/serial")->UseRealTime();
BENCHMARK(by_std<std::uint32_t, many>)->Name("scan_16M_u32/serial")->UseRealTime();

// What memory allows: as many bytes read and written, and nothing computed.
template <class T, std::size_t Size>
void copy(benchmark::State& state) {
  auto& all = numbers<T, Size>::shared();
  for (auto _ : state) {
    benchmark::ClobberMemory();
    std::copy(all.from.begin(), all.from.end(), all.to.begin());
    bench::expect(all.to.back(), all.from.back());
  }
}
BENCHMARK(copy<double, many>)->Name("copy_16M/serial")->UseRealTime();
BENCHMARK(copy<std::uint32_t, many>)->Name("copy_16M_u32/serial")->UseRealTime();

}  // namespace
