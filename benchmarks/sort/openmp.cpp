#include "support/openmp.hpp"

#include "sort/problem.hpp"

#if __has_include(<parallel/algorithm>)
#include <parallel/algorithm>

namespace {

using namespace bench::sort;

/// Cases run with a team of as many threads as they say.
struct with_team : with_workers {
  template <class Run>
  void operator()(std::string const& name, Run run) const {
    with_workers::operator()(name, [run](benchmark::State & state) {
      omp_set_dynamic(0);
      omp_set_num_threads(static_cast<int>(bench::workers(state)));
      run(state);
      omp_pause_resource_all(omp_pause_soft);
    });
  }
};

// libstdc++'s parallel mode: a merge sort of as many runs as there are threads.
[[maybe_unused]] bool const registered = [] {
  constexpr with_team with{{"OpenMP"}};
  sort_cases([](auto& values, auto... less) { __gnu_parallel::sort(values.begin(), values.end(), less...); }, with);
  stable_sort_cases([](auto& values, auto less) { __gnu_parallel::stable_sort(values.begin(), values.end(), less); },
                    with);
  nth_element_cases([](auto& values, auto nth) { __gnu_parallel::nth_element(values.begin(), nth, values.end()); },
                    with);
  return true;
}();

}  // namespace
#endif
