// A user's program: the same for every way of getting at weft.
#include <weft/weft.hpp>

#include <cstdio>
#include <vector>

int main() {
  int const answer = weft::run([] { return 42; });

  std::vector<int> squares(1000);
  weft::parallel_for(0, 1000, [&](int i) { squares[static_cast<std::size_t>(i)] = i * i; });

  bool const right = answer == 42 && squares[0] == 0 && squares[999] == 999 * 999;
  std::puts(right ? "weft works" : "wrong result");
  return right ? 0 : 1;
}
