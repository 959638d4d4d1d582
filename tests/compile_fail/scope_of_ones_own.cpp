// expect-error: no matching
#include <weft/weft.hpp>

// A scope is made by with_scope alone, which joins its children: there is none to forget to join.
int main() {
  weft::scope s;
  s.spawn([] {});
}
