// expect-error: deleted
#include <weft/weft.hpp>

int main() {
  weft::mutex m;
  auto const one = m.try_lock();
  auto const two = one;
  return two.owns() ? 0 : 1;
}
