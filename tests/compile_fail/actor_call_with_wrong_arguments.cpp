// expect-error: actor::call takes a member of the state
#include <weft/weft.hpp>

struct counter {
  int add(int n) { return sum += n; }
  int sum = 0;
};

int main() {
  weft::actor<counter> a;
  auto t = a.call(&counter::add, "one");
}
