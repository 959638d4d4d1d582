// expect-error: select takes cases: on(op, f)
#include <weft/weft.hpp>

int main() {
  weft::event a;
  weft::run(weft::select(a.wait(), a.wait()));
}
