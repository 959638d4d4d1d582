// expect-error: start a task with spawn to select on its future
#include <weft/weft.hpp>

weft::task<int> one() { co_return 1; }

int main() {
  return weft::run(weft::select(weft::on(one(), [](int v) { return v; })));
}
