#include "../probe.hpp"

#include <initializer_list>

#define WEFT_CONSTRUCT_GROUP "braced lists in a co_await expression"

namespace constructs {
namespace {

#ifndef WEFT_CONSTRUCT_REFUSED
task<int> sum_of(std::initializer_list<int> values) {
  int sum = 0;
  for (int const value : values) sum += value;
  co_return sum;
}

task<int> initializer_list_argument() { co_return co_await sum_of({3, 4}); }
#endif
WEFT_CONSTRUCT(initializer_list_argument, "`co_await f({3, 4})`, taken as std::initializer_list<int>",
               drive(initializer_list_argument()) == 7)

}  // namespace
}  // namespace constructs
