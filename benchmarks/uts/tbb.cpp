#include "support/tbb.hpp"

#include "uts/problem.hpp"

#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>
#include <tbb/task_group.h>

#include <functional>
#include <vector>

namespace {

using namespace bench::uts;

template <int Depth>
struct by_group {
  static census visit(node<Depth> const& n) {
    census all = n.alone();
    if (n.children() == 0) return all;
    std::vector<census> parts(static_cast<std::size_t>(n.children()));
    tbb::task_group children;
    for (int i = 0; i < n.children(); ++i)
      children.run([&n, i, &part = parts[static_cast<std::size_t>(i)]] { part = visit(n.child(i)); });
    children.wait();
    for (census const& c : parts) all = all + c;
    return all;
  }
};

// Pieces of one child: every child is a task, as elsewhere.
template <int Depth>
struct by_reduce {
  static census visit(node<Depth> const& n) {
    if (n.children() == 0) return n.alone();
    return n.alone() + tbb::parallel_reduce(
                           tbb::blocked_range<int>(0, n.children(), 1), census(),
                           [&n](tbb::blocked_range<int> const& part, census sum) {
                             for (int i = part.begin(); i < part.end(); ++i) sum = sum + visit(n.child(i));
                             return sum;
                           },
                           std::plus<>(), tbb::simple_partitioner());
  }
};

template <template <int> class By, int Depth>
void with_tbb(benchmark::State& state) {
  bench::measure_in_arena(state, [] { bench::expect(By<Depth>::visit(node<Depth>::root()), answer<Depth>); });
  bench::count_items(state, answer<Depth>.nodes);
}
BENCHMARK(with_tbb<by_group, 5>)->Name("uts_small/TBB task_group")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<by_group, 10>)->Name("uts_T1/TBB task_group")->Apply(bench::each_worker_count);
BENCHMARK(with_tbb<by_reduce, 10>)->Name("uts_T1/TBB parallel_reduce")->Apply(bench::each_worker_count);

}  // namespace
