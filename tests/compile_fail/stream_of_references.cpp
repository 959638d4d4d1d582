// expect-error: stream<T> gives objects that can be moved
#include <weft/weft.hpp>

weft::stream<int&> numbers(int& n) { co_yield n; }

int main() {
  int n = 0;
  auto s = numbers(n);
}
