// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

weft::stream<int> numbers() { co_yield 1; }

weft::task<> forgets_to_await() {
  auto s = numbers();
  s.next();
  co_return;
}

int main() { weft::run(forgets_to_await()); }
