#include "skynet/problem.hpp"
#include "support/bench.hpp"

#include <array>
#include <future>

namespace {

using bench::skynet::fan;

long tree(long first, long leaves) {
  if (leaves == 1) return first;
  long const each = leaves / fan;
  std::array<std::future<long>, fan> children;
  for (long i = 0; i < fan; ++i)
    children[static_cast<std::size_t>(i)] = std::async(std::launch::async, tree, first + i * each, each);
  long sum = 0;
  for (auto& child : children) sum += child.get();
  return sum;
}

// A thread for every node: a tiny tree, compared per leaf.
void with_async(benchmark::State& state) {
  for (auto _ : state) bench::expect(tree(0, 100), bench::skynet::answer(100));
  bench::count_items(state, 100);
}
BENCHMARK(with_async)->Name("skynet_1M/std::async")->UseRealTime();

}  // namespace
