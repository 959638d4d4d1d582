// expect-success
// What cannot be assigned can still be made.
#include <weft/weft.hpp>

#include <vector>

struct constant {
  explicit constant(int v) : value(v) {}
  constant(constant const&) = default;
  constant& operator=(constant const&) = delete;
  int const value;
};

int main() {
  std::vector<int> const from{1, 2, 3};
  auto const made = weft::parallel_map(from, [](int v) { return constant(v); });
  auto const waited = weft::run(weft::parallel_map(from, [](int v) -> weft::task<constant> { co_return constant(v); }));
  return made[0].value + waited[0].value;
}
