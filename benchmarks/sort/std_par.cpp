#include "sort/problem.hpp"
#include "support/tbb.hpp"

#include <algorithm>
#include <execution>

namespace {

using namespace bench::sort;

/// Cases run inside an arena, which the parallel algorithms of libstdc++ use, of as many threads as they say.
struct with_arena : with_workers {
  template <class Run>
  void operator()(std::string const& name, Run run) const {
    with_workers::operator()(name, [run](benchmark::State & state) {
      tbb::task_arena arena(static_cast<int>(bench::workers(state)));
      arena.execute([&] { run(state); });
    });
  }
};

[[maybe_unused]] bool const registered = [] {
  constexpr with_arena with{{"std::execution::par"}};
  using std::execution::par;
  sort_cases([](auto& values, auto... less) { std::sort(par, values.begin(), values.end(), less...); }, with);
  stable_sort_cases([](auto& values, auto less) { std::stable_sort(par, values.begin(), values.end(), less); }, with);
  nth_element_cases([](auto& values, auto nth) { std::nth_element(par, values.begin(), nth, values.end()); }, with);
  merge_cases([](auto... ranges_and_out) { std::merge(par, ranges_and_out...); }, with);
  return true;
}();

}  // namespace
