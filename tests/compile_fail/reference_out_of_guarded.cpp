// expect-error: a reference would outlive the lock
#include <weft/weft.hpp>

int main() {
  weft::guarded<int> g(1);
  return weft::run(g.with([](int& v) -> int& { return v; }));
}
