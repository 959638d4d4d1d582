// expect-error: nodiscard
#include <weft/weft.hpp>
#pragma GCC diagnostic error "-Wunused-result"
#pragma GCC diagnostic error "-Wunused-value"

// Nothing runs that nobody awaits.
int main() {
  weft::race([] { return 1; }, [] { return 2; });
}
