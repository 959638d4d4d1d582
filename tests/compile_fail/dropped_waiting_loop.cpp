// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

// A body that waits makes the loop awaitable: without co_await nothing happens.
int main() {
  weft::parallel_for(0, 10, [](int) -> weft::task<> { co_return; });
}
