#include "../probe.hpp"

#include <vector>

#define WEFT_CONSTRUCT_GROUP "braced lists in a co_await expression"

namespace constructs {
namespace {

#ifndef WEFT_CONSTRUCT_REFUSED
task<int> sum_of(std::vector<int> values) {
  int sum = 0;
  for (int const value : values) sum += value;
  co_return sum;
}

task<int> vector_of_numbers() { co_return co_await sum_of({3, 4}); }
#endif
WEFT_CONSTRUCT(vector_of_numbers, "`co_await f({3, 4})`, taken as std::vector<int>", drive(vector_of_numbers()) == 7)

}  // namespace
}  // namespace constructs
