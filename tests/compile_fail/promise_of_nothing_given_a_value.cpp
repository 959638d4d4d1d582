// expect-error: set_value
#include <weft/weft.hpp>

int main() {
  weft::promise<> p;
  p.set_value(1);
}
