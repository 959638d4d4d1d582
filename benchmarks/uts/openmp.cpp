#include "support/openmp.hpp"

#include "uts/problem.hpp"

#include <vector>

namespace {

using namespace bench::uts;

template <int Depth>
census visit(node<Depth> const& n) {
  census all = n.alone();
  if (n.children() == 0) return all;
  std::vector<census> parts(static_cast<std::size_t>(n.children()));
  for (int i = 0; i < n.children(); ++i) {
#pragma omp task shared(parts, n) firstprivate(i)
    parts[static_cast<std::size_t>(i)] = visit(n.child(i));
  }
#pragma omp taskwait
  for (census const& c : parts) all = all + c;
  return all;
}

template <int Depth>
void with_openmp(benchmark::State& state) {
  bench::measure_with_team(state, [] {
    census all;
#pragma omp parallel
#pragma omp single
    all = visit(node<Depth>::root());
    bench::expect(all, answer<Depth>);
  });
  bench::count_items(state, answer<Depth>.nodes);
}
BENCHMARK(with_openmp<5>)->Name("uts_small/OpenMP tasks")->Apply(bench::each_worker_count);
BENCHMARK(with_openmp<10>)->Name("uts_T1/OpenMP tasks")->Apply(bench::each_worker_count);

}  // namespace
