// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

weft::task<> forgets_to_await(weft::semaphore& s) {
  s.acquire(2);
  co_return;
}

int main() {
  weft::semaphore s(1);
  weft::run(forgets_to_await(s));
}
