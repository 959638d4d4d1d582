// expect-error: permutable
#include <weft/weft.hpp>

#include <vector>

int main() {
  std::vector<int> const values{1, 2, 3};
  weft::parallel_partition(values, [](int v) { return v > 1; });
}
