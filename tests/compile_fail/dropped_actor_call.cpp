// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

struct counter {
  int add(int n) { return sum += n; }
  int sum = 0;
};

int main() {
  weft::actor<counter> a;
  a.call(&counter::add, 1);
}
