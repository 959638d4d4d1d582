#include "../probe.hpp"

#include <vector>

#define WEFT_CONSTRUCT_GROUP "braced lists in a co_await expression"

namespace constructs {
namespace {

#ifndef WEFT_CONSTRUCT_REFUSED
task<int> sum_of(std::vector<witness> objects) {
  int sum = 0;
  for (witness const& object : objects) sum += object.value();
  co_return sum;
}

task<int> vector_braced_temporary() { co_return co_await sum_of(std::vector<witness>{witness(3), witness(4)}); }
#endif
WEFT_CONSTRUCT(vector_braced_temporary, "`co_await f(std::vector<C>{C(3), C(4)})`",
               drive(vector_braced_temporary()) == 7)

}  // namespace
}  // namespace constructs
