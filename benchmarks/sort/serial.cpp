#include "sort/problem.hpp"

#include <algorithm>

namespace {

using namespace bench::sort;

[[maybe_unused]] bool const registered = [] {
  constexpr without_workers with{"serial"};
  sort_cases([](auto& values, auto... less) { std::sort(values.begin(), values.end(), less...); }, with);
  stable_sort_cases([](auto& values, auto less) { std::stable_sort(values.begin(), values.end(), less); }, with);
  nth_element_cases([](auto& values, auto nth) { std::nth_element(values.begin(), nth, values.end()); }, with);
  merge_cases([](auto... ranges_and_out) { std::merge(ranges_and_out...); }, with);
  return true;
}();

}  // namespace
