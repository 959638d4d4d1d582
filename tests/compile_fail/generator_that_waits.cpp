// expect-error: a generator does not wait: co_await belongs in a weft::task or a weft::stream
#include <weft/weft.hpp>

weft::generator<int> naps() {
  co_await weft::this_task::yield();
  co_yield 1;
}

int main() {
  for (int i : naps()) return i;
}
