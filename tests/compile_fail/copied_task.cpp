// expect-error: deleted
#include <weft/weft.hpp>

weft::task<int> work() { co_return 1; }

int main() {
  auto const one = work();
  auto const two = one;
  return two.valid() ? 0 : 1;
}
