// expect-error: no match
#include <weft/weft.hpp>

int main() {
  return weft::run(weft::from_callback<int>([](auto done) { done("not a number"); }));
}
