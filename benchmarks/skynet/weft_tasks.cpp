#include "skynet/problem.hpp"
#include "support/weft.hpp"

#include <functional>
#include <ranges>
#include <utility>

namespace {

using bench::skynet::fan;

// A function of its own, for the sake of its small frame.
weft::task<long> leaf(long number) { co_return number; }

weft::task<long> tree(long first, long leaves);

weft::task<long> child(long first, long leaves) { return leaves == 1 ? leaf(first) : tree(first, leaves); }

weft::task<long> tree(long first, long leaves) {
  long const each = leaves / fan;
  auto const part = [=](long i) { return child(first + i * each, each); };
  auto sum = weft::when_all(std::views::iota(0L, fan) | std::views::transform(part), 0L, std::plus<>());
  co_return co_await std::move(sum);
}

/// The same in one call of ten tasks: their results and all that belongs to them lie in the frame.
weft::task<long> tree_of_tens(long first, long leaves) {
  if (leaves == 1) return leaf(first);
  return [](long from, long each) -> weft::task<long> {
    auto const part = [=](long i) { return tree_of_tens(from + i * each, each); };
    auto children =
        weft::when_all(part(0), part(1), part(2), part(3), part(4), part(5), part(6), part(7), part(8), part(9));
    auto [a, b, c, d, e, f, g, h, i, j] = co_await std::move(children);
    co_return a + b + c + d + e + f + g + h + i + j;
  }(first, leaves / fan);
}

template <weft::task<long> (*Tree)(long, long), long Leaves>
void with_tasks(benchmark::State& state) {
  bench::pool_of pool(state);
  for (auto _ : state) bench::expect(pool->run(Tree, 0, Leaves), bench::skynet::answer(Leaves));
  bench::count_items(state, Leaves);
}
BENCHMARK(with_tasks<tree, 10'000>)->Name("skynet_10k/weft tasks")->Apply(bench::each_worker_count);
BENCHMARK(with_tasks<tree, 1'000'000>)->Name("skynet_1M/weft tasks")->Apply(bench::each_worker_count);
BENCHMARK(with_tasks<tree_of_tens, 1'000'000>)->Name("skynet_1M/weft tasks by tens")->Apply(bench::each_worker_count);

}  // namespace
