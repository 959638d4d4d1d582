// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

#include <chrono>

weft::task<> forgets_to_await() {
  weft::interval every{std::chrono::seconds(1)};
  every.tick();
  co_return;
}

int main() { weft::run(forgets_to_await()); }
