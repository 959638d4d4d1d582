// expect-error: pool::run takes a callable with its arguments, or an awaitable alone
#include <weft/weft.hpp>

int add(int a, int b) { return a + b; }

int main() {
  weft::pool pool;
  return pool.run(add, 1);
}
