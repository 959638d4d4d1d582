// expect-error: actor::call gives values
#include <weft/weft.hpp>

struct counter {
  int& value() { return sum; }
  int sum = 0;
};

int main() {
  weft::actor<counter> a;
  auto t = a.call(&counter::value);
}
