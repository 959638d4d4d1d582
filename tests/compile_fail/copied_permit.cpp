// expect-error: deleted
#include <weft/weft.hpp>

int main() {
  weft::semaphore s(1);
  auto const one = s.try_acquire();
  auto const two = one;
  return two.owns() ? 0 : 1;
}
