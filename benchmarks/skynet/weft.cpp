#include "support/weft.hpp"

#include "skynet/problem.hpp"

namespace {

using bench::skynet::fan;

long tree(long first, long leaves);

/// `count` children of `each` leaves: a fork makes two of one, so that ten take nine.
[[gnu::noinline]] long children(long first, long each, long count) {
  if (count == 1) return tree(first, each);
  long const half = count / 2;
  auto [a, b] = weft::fork_join([=] { return children(first, each, half); },
                                [=] { return children(first + half * each, each, count - half); });
  return a + b;
}

long tree(long first, long leaves) { return leaves == 1 ? first : children(first, leaves / fan, fan); }

/// The same in one call of ten bodies.
[[gnu::noinline]] long tree_of_tens(long first, long leaves) {
  if (leaves == 1) return first;
  long const each = leaves / fan;
  auto const child = [=](long i) { return [=] { return tree_of_tens(first + i * each, each); }; };
  auto [a, b, c, d, e, f, g, h, i, j] = weft::fork_join(child(0), child(1), child(2), child(3), child(4), child(5),
                                                        child(6), child(7), child(8), child(9));
  return a + b + c + d + e + f + g + h + i + j;
}

template <long (*Tree)(long, long), long Leaves>
void with_weft(benchmark::State& state) {
  bench::pool_of pool(state);
  pool.measure(state, [] {
    long leaves = Leaves;
    benchmark::DoNotOptimize(leaves);
    bench::expect(Tree(0, leaves), bench::skynet::answer(Leaves));
  });
  bench::count_items(state, Leaves);
}
BENCHMARK(with_weft<tree, 10'000>)->Name("skynet_10k/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<tree, 1'000'000>)->Name("skynet_1M/weft")->Apply(bench::each_worker_count);
BENCHMARK(with_weft<tree_of_tens, 1'000'000>)->Name("skynet_1M/weft by tens")->Apply(bench::each_worker_count);

}  // namespace
