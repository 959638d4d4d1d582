// expect-error: a stage that returns nothing can only be the last one
#include <weft/weft.hpp>

#include <vector>

int main() {
  std::vector<int> const values{1, 2, 3};
  weft::pipeline(values) | weft::parallel(2, [](int) {}) | weft::into([](int) {});
}
