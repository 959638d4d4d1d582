#include "skynet/problem.hpp"
#include "support/bench.hpp"

namespace {

using bench::skynet::fan;

[[gnu::noinline]] long tree(long first, long leaves) {
  if (leaves == 1) return first;
  long const each = leaves / fan;
  long sum = 0;
  for (long i = 0; i < fan; ++i) sum += tree(first + i * each, each);
  return sum;
}

template <long Leaves>
void serial(benchmark::State& state) {
  for (auto _ : state) {
    long leaves = Leaves;
    benchmark::DoNotOptimize(leaves);
    bench::expect(tree(0, leaves), bench::skynet::answer(Leaves));
  }
  bench::count_items(state, Leaves);
}
BENCHMARK(serial<10'000>)->Name("skynet_10k/serial")->UseRealTime();
BENCHMARK(serial<1'000'000>)->Name("skynet_1M/serial")->UseRealTime();

}  // namespace
