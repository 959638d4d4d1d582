// expect-error: fork_join takes 2 to 16 callables
#include <weft/weft.hpp>

int main() {
  auto const f = [] { return 1; };
  static_cast<void>(weft::fork_join(f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f, f));
}
