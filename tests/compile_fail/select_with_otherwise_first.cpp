// expect-error: select takes otherwise(f) once, as its last case
#include <weft/weft.hpp>

int main() {
  weft::event a;
  weft::run(weft::select(weft::otherwise([] {}), weft::on(a.wait(), [] {})));
}
