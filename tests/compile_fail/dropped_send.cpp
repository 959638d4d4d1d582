// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

weft::task<> forgets_to_await(weft::channel<int>& c) {
  c.send(1);
  co_return;
}

int main() {
  weft::channel<int> c{1};
  weft::run(forgets_to_await(c));
}
