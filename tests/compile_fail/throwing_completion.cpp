// expect-error: a barrier's completion takes nothing and is noexcept
#include <weft/weft.hpp>

int main() {
  weft::barrier b(2, [] {});
  static_cast<void>(b.arrive());
}
