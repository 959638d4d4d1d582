// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

weft::task<> forgets_to_await(weft::event& e) {
  e.wait();
  co_return;
}

int main() {
  weft::event e;
  weft::run(forgets_to_await(e));
}
