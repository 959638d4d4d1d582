#include "support/weft.hpp"

#include "sort/problem.hpp"

#include <ranges>

namespace {

using namespace bench::sort;

/// Cases run inside a pool of as many workers as they say.
struct with_pool : with_workers {
  template <class Run>
  void operator()(std::string const& name, Run run) const {
    with_workers::operator()(name, [run](benchmark::State & state) {
      bench::pool_of pool(state);
      pool->run([&] { run(state); });
    });
  }
};

[[maybe_unused]] bool const registered = [] {
  constexpr with_pool with{{"weft"}};
  sort_cases([](auto& values, auto... less) { weft::parallel_sort(values, less...); }, with);
  stable_sort_cases([](auto& values, auto less) { weft::parallel_stable_sort(values, less); }, with);
  nth_element_cases([](auto& values, auto nth) { weft::parallel_nth_element(values, nth); }, with);
  merge_cases(
      [](auto a, auto a_end, auto b, auto b_end, auto out) {
        weft::parallel_merge(std::ranges::subrange(a, a_end), std::ranges::subrange(b, b_end), out);
      },
      with);
  return true;
}();

}  // namespace
