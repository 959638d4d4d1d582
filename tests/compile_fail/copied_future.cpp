// expect-error: deleted
#include <weft/weft.hpp>

int main() {
  auto const one = weft::make_ready_future(1);
  auto const two = one;
  return two.valid() ? 0 : 1;
}
