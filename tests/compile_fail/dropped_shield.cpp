// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

weft::task<> commit() { co_return; }

weft::task<> forgets_to_await() {
  weft::shield(commit);
  co_return;
}

int main() { weft::run(forgets_to_await()); }
