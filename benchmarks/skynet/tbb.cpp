#include "support/tbb.hpp"

#include "skynet/problem.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>
#include <tbb/task_group.h>

#include <functional>

namespace {

using bench::skynet::fan;

long by_group(long first, long leaves) {
  if (leaves == 1) return first;
  long const each = leaves / fan;
  long sums[fan];
  tbb::task_group children;
  for (long i = 0; i < fan - 1; ++i) children.run([=, &sums] { sums[i] = by_group(first + i * each, each); });
  sums[fan - 1] = by_group(first + (fan - 1) * each, each);
  children.wait();
  long sum = 0;
  for (long const s : sums) sum += s;
  return sum;
}

// Pieces of one child: every child is a task, as elsewhere.
long by_reduce(long first, long leaves) {
  if (leaves == 1) return first;
  long const each = leaves / fan;
  return tbb::parallel_reduce(
      tbb::blocked_range<long>(0, fan, 1), 0L,
      [=](tbb::blocked_range<long> const& part, long sum) {
        for (long i = part.begin(); i < part.end(); ++i) sum += by_reduce(first + i * each, each);
        return sum;
      },
      std::plus<>(), tbb::simple_partitioner());
}

template <long (*Tree)(long, long), long Leaves>
void with_tbb(benchmark::State& state) {
  bench::measure_in_arena(state, [] { bench::expect(Tree(0, Leaves), bench::skynet::answer(Leaves)); });
  bench::count_items(state, Leaves);
}
BENCHMARK(with_tbb<by_group, 10'000>)->Name("skynet_10k/TBB task_group")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<by_group, 1'000'000>)->Name("skynet_1M/TBB task_group")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<by_reduce, 1'000'000>)->Name("skynet_1M/TBB parallel_reduce")->Apply(bench::each_worker_count);

}  // namespace
