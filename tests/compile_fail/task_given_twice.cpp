// expect-error: deleted
#include <weft/weft.hpp>

weft::task<int> one() { co_return 1; }

// A task is awaited once: a verb takes it by std::move, and cannot take it twice.
weft::task<int> takes_it_twice() {
  auto t = one();
  auto [a, b] = co_await weft::when_all(t, t);
  co_return a + b;
}

int main() { return weft::run(takes_it_twice()); }
