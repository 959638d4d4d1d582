// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

weft::task<> work() { co_return; }

// Calling a coroutine function starts nothing.
weft::task<> forgets_to_await() {
  work();
  co_return;
}

int main() { weft::run(forgets_to_await()); }
