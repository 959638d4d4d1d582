#include "../probe.hpp"

#include <vector>

#define WEFT_CONSTRUCT_GROUP "braced lists in a co_await expression"

namespace constructs {
namespace {

#ifndef WEFT_CONSTRUCT_REFUSED
task<int> vector_of_awaits() {
  std::vector<int> const values{co_await number(3), co_await later{4}};
  co_return values[0] + values[1];
}
#endif
WEFT_CONSTRUCT(vector_of_awaits, "`std::vector<int> v{co_await t, co_await u};`", drive(vector_of_awaits()) == 7)

}  // namespace
}  // namespace constructs
