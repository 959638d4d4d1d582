// expect-error: return types with a common type, or all of them nothing
#include <weft/weft.hpp>

int main() {
  weft::event a, b;
  weft::run(weft::select(weft::on(a.wait(), [] { return 1; }), weft::on(b.wait(), [] {})));
}
