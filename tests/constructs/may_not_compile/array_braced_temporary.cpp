#include "../probe.hpp"

#include <array>

#define WEFT_CONSTRUCT_GROUP "braced lists in a co_await expression"

namespace constructs {
namespace {

#ifndef WEFT_CONSTRUCT_REFUSED
task<int> sum_of(std::array<witness, 2> both) { co_return both[0].value() + both[1].value(); }

task<int> array_braced_temporary() { co_return co_await sum_of(std::array<witness, 2>{witness(3), witness(4)}); }
#endif
WEFT_CONSTRUCT(array_braced_temporary, "`co_await f(std::array<C, 2>{C(3), C(4)})`",
               drive(array_braced_temporary()) == 7)

}  // namespace
}  // namespace constructs
