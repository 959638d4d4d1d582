// expect-error: when_any takes 2 to 16 things at a time
#include <weft/weft.hpp>

int main() {
  auto const f = [] { return 1; };
  static_cast<void>(weft::when_any(f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f));
}
