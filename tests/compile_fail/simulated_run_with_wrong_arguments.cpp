// expect-error: sim::run takes a callable with its arguments, or an awaitable alone
#include <weft/sim/sim.hpp>

int add(int a, int b) { return a + b; }

int main() {
  weft::sim world;
  return world.run(add, 1);
}
