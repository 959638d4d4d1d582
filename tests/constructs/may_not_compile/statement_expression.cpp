#include "../probe.hpp"

#include <string>

#define WEFT_CONSTRUCT_GROUP "co_await in expressions and statements"

namespace constructs {
namespace {

#ifndef WEFT_CONSTRUCT_REFUSED
task<int> statement_expression() {
  int const seven = __extension__({
    int const three = co_await number(3);
    three + co_await later{4};
  });
  co_return seven;
}
#endif
WEFT_CONSTRUCT(statement_expression, "`({ int v = co_await t; v + co_await u; })`, a GNU statement expression",
               drive(statement_expression()) == 7)

}  // namespace
}  // namespace constructs
