// expect-error: deleted
#include <weft/weft.hpp>

#include <utility>

int main() {
  weft::mutex one;
  weft::mutex two = std::move(one);
  return two.is_locked() ? 1 : 0;
}
