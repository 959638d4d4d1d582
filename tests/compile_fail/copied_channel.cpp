// expect-error: deleted
#include <weft/weft.hpp>

int main() {
  weft::channel<int> c{1};
  auto d = c;
}
