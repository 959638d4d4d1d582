#include "skynet/problem.hpp"
#include "support/weft.hpp"

#include <utility>
#include <vector>

namespace {

using bench::skynet::fan;

weft::task<long> tree(long first, long leaves) {
  if (leaves == 1) co_return first;
  long const each = leaves / fan;
  std::vector<weft::task<long>> children;
  children.reserve(fan);
  for (long i = 0; i < fan; ++i) children.push_back(tree(first + i * each, each));
  long sum = 0;
  for (long const s : co_await weft::when_all(std::move(children))) sum += s;
  co_return sum;
}

template <long Leaves>
void with_tasks(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) bench::expect(pool->run(tree, 0, Leaves), bench::skynet::answer(Leaves));
  bench::count_items(state, Leaves);
}
BENCHMARK(with_tasks<10'000>)->Name("skynet_10k/weft tasks")->Apply(bench::each_worker_count);
BENCHMARK(with_tasks<1'000'000>)->Name("skynet_1M/weft tasks")->Apply(bench::each_worker_count);

}  // namespace
