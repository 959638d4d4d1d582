// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

weft::task<> forgets_to_await() {
  weft::with_scope([](weft::scope& s) { s.spawn([] {}); });
  co_return;
}

int main() { weft::run(forgets_to_await()); }
