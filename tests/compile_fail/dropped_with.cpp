// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

weft::local<int> const id{0};
weft::task<> work() { co_return; }

weft::task<> forgets_to_await() {
  weft::with(id, 1, work);
  co_return;
}

int main() { weft::run(forgets_to_await()); }
