#include "../probe.hpp"

#include <string>
#include <vector>

#define WEFT_CONSTRUCT_GROUP "braced lists in a co_await expression"

namespace constructs {
namespace {

#ifndef WEFT_CONSTRUCT_REFUSED
task<int> total_size(std::vector<std::string> words) {
  std::size_t size = 0;
  for (std::string const& word : words) size += word.size();
  co_return static_cast<int>(size);
}

task<int> strings_braced_argument() { co_return co_await total_size({"git", "push"}); }
#endif
WEFT_CONSTRUCT(strings_braced_argument, "`co_await f({\"a\", \"b\"})`, taken as std::vector<std::string>",
               drive(strings_braced_argument()) == 7)

}  // namespace
}  // namespace constructs
