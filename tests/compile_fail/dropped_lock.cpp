// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

weft::task<> forgets_to_await(weft::mutex& m) {
  m.lock();
  co_return;
}

int main() {
  weft::mutex m;
  weft::run(forgets_to_await(m));
}
