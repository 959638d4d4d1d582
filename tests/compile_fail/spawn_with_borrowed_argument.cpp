// expect-error: spawn takes a callable with its arguments, or an awaitable alone
#include <weft/weft.hpp>

void increment(int& v) { ++v; }

int main() {
  int value = 0;
  // Arguments are moved; what is to be borrowed is wrapped: std::ref(value).
  weft::spawn(increment, value).get();
  return value;
}
