// expect-error: outcome
#include <weft/weft.hpp>

// An outcome is asked for its value: it may have none.
weft::task<int> sum() {
  auto [a, b] = co_await weft::when_all_settled([] { return 1; }, [] { return 2; });
  int const both = a + b;
  co_return both;
}

int main() { return weft::run(sum()); }
