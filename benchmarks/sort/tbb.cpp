#include "support/tbb.hpp"

#include "sort/problem.hpp"

#include <tbb/parallel_sort.h>

namespace {

using namespace bench::sort;

/// Cases run inside an arena of as many threads as they say.
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
  sort_cases([](auto& values, auto... less) { tbb::parallel_sort(values.begin(), values.end(), less...); },
             with_arena{{"TBB"}});
  return true;
}();

}  // namespace
