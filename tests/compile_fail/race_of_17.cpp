// expect-error: race takes 2 to 16 things at a time
#include <weft/weft.hpp>

int main() {
  auto const f = [] { return 1; };
  static_cast<void>(weft::race(f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f));
}
