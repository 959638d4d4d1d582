// expect-error: parallel_map needs a function that returns something
#include <weft/weft.hpp>

#include <vector>

int main() {
  std::vector<int> const values{1, 2, 3};
  static_cast<void>(weft::parallel_map(values, [](int) {}));
}
